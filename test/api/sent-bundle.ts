import { createHash } from "node:crypto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ControllerService, UploadFilesRequestSchema } from "../../gen/drover/v1/controller_service_pb.ts";
import type { Client } from "../../src/rpc/service.ts";

/** The contents of files, by their paths. */
export type Contents = Readonly<Record<string, string | Uint8Array>>;
export type Piece = Extract<MessageInitShape<typeof UploadFilesRequestSchema>, { $typeName?: never }>;

export const sha256Of = (content: string | Uint8Array): string => createHash("sha256").update(content).digest("hex");

/** The pieces of a file as an honest client sends them. */
export function piecesOf(content: string | Uint8Array, pieceBytes = 2 ** 20): readonly Piece[] {
  const data = Buffer.from(content);
  const pieces: Piece[] = [{ sha256: sha256Of(data), size: BigInt(data.length), data: data.subarray(0, pieceBytes) }];
  for (let at = pieceBytes; at < data.length; at += pieceBytes) pieces.push({ data: data.subarray(at, at + pieceBytes) });
  return pieces;
}

export const filesOf = (contents: Contents) =>
  Object.entries(contents).map(([path, content]) => ({ path, size: BigInt(Buffer.byteLength(content)), sha256: sha256Of(content) }));

export async function* streamOf<T>(items: Iterable<T> | AsyncIterable<T>): AsyncGenerator<T> {
  yield* items;
}

/** Sends files, and returns the digest of their bundle. */
export async function sendBundle(controller: Client<typeof ControllerService>, contents: Contents): Promise<string> {
  await controller.uploadFiles(streamOf(Object.values(contents).flatMap((content) => piecesOf(content))));
  return (await controller.createBundle({ files: filesOf(contents) })).bundle;
}
