import { createHash, type Hash } from "node:crypto";
import type { UploadFilesRequest } from "../../gen/drover/v1/controller_service_pb.ts";
import { UploadFilesRequestSchema } from "../../gen/drover/v1/controller_service_pb.ts";
import { type BundleBounds, isSha256 } from "../core/bundle.ts";
import { invalid, refusal, type StatusError } from "../core/errors.ts";
import { violationsOf } from "../rpc/validate.ts";
import type { BundleUpload } from "../store/bundle-store.ts";

/** The most bytes of a file in one piece. */
const pieceBytesMax = 2 ** 20;
/** The most characters of a wrong value that an error shows. */
const valueShownMax = 80;

/** What was received. */
export interface ReceivedFiles {
  readonly files: number;
  readonly bytes: number;
}

/** The file whose pieces arrive. */
interface ArrivingFile {
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly hash: Hash;
  readonly bytes: number;
}

/**
 * Receives files into an upload, which it does not commit. Fails with INVALID_FIELD and
 * DIGEST_MISMATCH.
 */
export async function receiveFiles(
  pieces: AsyncIterable<UploadFilesRequest>,
  upload: Pick<BundleUpload, "begin" | "write">,
  bounds: BundleBounds,
): Promise<ReceivedFiles> {
  let files = 0;
  let bytes = 0;
  let arriving: ArrivingFile | undefined;
  for await (const piece of pieces) {
    const { sha256, data } = piece;
    if (sha256 !== "") {
      checkWhole(arriving);
      files += 1;
      checkFirst(piece, files, bounds);
      arriving = { sha256, sizeBytes: Number(piece.size), hash: createHash("sha256"), bytes: 0 };
      await upload.begin(arriving);
    }
    if (arriving === undefined) throw wrong("sha256", "must be set in the first piece of a file");
    checkPiece(piece);
    arriving = { ...arriving, bytes: arriving.bytes + data.length };
    bytes += data.length;
    if (arriving.bytes > arriving.sizeBytes) throw tooLong(arriving);
    if (bytes > bounds.bundleBytesMax)
      throw wrong("data", `all files of a call must be at most ${bounds.bundleBytesMax} bytes together (got ${bytes} or more)`);
    if (data.length === 0) continue;
    arriving.hash.update(data);
    await upload.write(data);
  }
  checkWhole(arriving);
  return { files, bytes };
}

/** What a piece counts as, in bytes: a file without content is something, too. */
export function weightOf({ sha256, data }: UploadFilesRequest): number {
  return sha256 === "" ? data.length : Math.max(data.length, fileWeight);
}
const fileWeight = 4 * 1024;

function checkFirst({ sha256, size }: UploadFilesRequest, files: number, { filesMax, fileBytesMax }: BundleBounds): void {
  if (files > filesMax) throw wrong("sha256", `must be at most ${filesMax} files in one call: send the others in another call`);
  if (!isSha256(sha256)) {
    const got = JSON.stringify(sha256.slice(0, valueShownMax));
    throw wrong("sha256", `must be 64 lower-case hexadecimal digits (got ${got})`);
  }
  if (size < 0n || size > BigInt(fileBytesMax)) throw wrong("size", `must be 0 to ${fileBytesMax} bytes (got ${size})`);
}

function checkPiece(piece: UploadFilesRequest): void {
  const { sha256, size, data } = piece;
  if (data.length > pieceBytesMax) throw wrong("data", `must be at most ${pieceBytesMax} bytes (got ${data.length}): send smaller pieces`);
  if (sha256 === "" && size !== 0n) throw wrong("size", `must be 0 in every piece of a file but the first (got ${size})`);
  // Without this, a caller could send pieces without an end.
  if (sha256 === "" && data.length === 0) throw wrong("data", "must not be empty in a piece that is not the first of its file");
  const unknown = violationsOf(UploadFilesRequestSchema, piece);
  if (unknown.length > 0) throw invalid(unknown);
}

function checkWhole(file: ArrivingFile | undefined): void {
  if (file === undefined) return;
  const digest = file.hash.digest("hex");
  if (file.bytes === file.sizeBytes && digest === file.sha256) return;
  throw mismatch(file, `it has ${file.bytes} bytes and the SHA-256 ${digest}`);
}

const tooLong = (file: ArrivingFile): StatusError => mismatch(file, "it has more bytes");

function mismatch({ sha256, sizeBytes }: ArrivingFile, found: string): StatusError {
  const text = `a file was said to have ${sizeBytes} bytes and the SHA-256 ${sha256}, and ${found}: it was changed while it was read, or on its way`;
  return refusal("DIGEST_MISMATCH", text, { metadata: { sha256 } });
}

const wrong = (field: string, description: string): StatusError => invalid([{ field, description }]);
