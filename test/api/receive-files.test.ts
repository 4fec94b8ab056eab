import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { UploadFilesRequestSchema } from "../../gen/drover/v1/controller_service_pb.ts";
import { receiveFiles } from "../../src/api/receive-files.ts";
import { type Piece, piecesOf, streamOf } from "./sent-bundle.ts";

const bounds = { filesMax: 3, fileBytesMax: 4, bundleBytesMax: 7 };
const upload = { begin: async () => {}, write: async () => {} };
const receive = (pieces: readonly Piece[]) =>
  receiveFiles(streamOf(pieces.map((piece) => create(UploadFilesRequestSchema, piece))), upload, bounds);

test("a call has at most the files and the bytes of a bundle", async () => {
  const [empty, four, three] = [piecesOf(""), piecesOf("four"), piecesOf("3by")];
  expect(await receive([...empty, ...four, ...three])).toEqual({ files: 3, bytes: 7 });
  await expect(receive([...empty, ...empty, ...empty, ...empty])).rejects.toMatchObject({ facts: { violations: [{ field: "sha256" }] } });
  await expect(receive([...four, ...four])).rejects.toMatchObject({ facts: { violations: [{ field: "data" }] } });
  await expect(receive(piecesOf("fiver"))).rejects.toMatchObject({ facts: { violations: [{ field: "size" }] } });
});

test("a file may come in pieces of any size, and a call may have no file", async () => {
  expect(await receive(piecesOf("four", 1))).toEqual({ files: 1, bytes: 4 });
  expect(await receive([])).toEqual({ files: 0, bytes: 0 });
});
