import { createHash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { UploadFilesRequestSchema } from "../../gen/drover/v1/controller_service_pb.ts";
import { breatheFirst, pacing } from "../clock/breathe.ts";
import { realClock } from "../clock/real.ts";
import { FileChangedError } from "./bundle-error.ts";
import { type DigestedFile, pieceBytes } from "./file-digests.ts";

/**
 * The pieces of files, as `UploadFiles` takes them. Fails with a `FileChangedError` at a file that is
 * not what its digest says, before its last piece: so the controller never gets the whole of it.
 */
export async function* piecesOf(
  files: readonly DigestedFile[],
  onSent: (bytes: number) => void,
): AsyncGenerator<MessageInitShape<typeof UploadFilesRequestSchema>, void> {
  const pace = pacing(() => realClock.nowMs(), breatheFirst);
  for (const one of files) {
    const { path, sha256, sizeBytes, file } = one;
    const descriptor = unlessChanged(path, () => openSync(file, "r"));
    try {
      const hash = createHash("sha256");
      let left = sizeBytes;
      for (let isFirst = true; isFirst || left > 0; isFirst = false) {
        await pace();
        const buffer = Buffer.allocUnsafe(Math.min(pieceBytes, left));
        const bytesRead = unlessChanged(path, () => readSync(descriptor, buffer, 0, buffer.length, null));
        const data = buffer.subarray(0, bytesRead);
        hash.update(data);
        left -= bytesRead;
        const isCut = left > 0 && bytesRead === 0;
        if (isCut || (left === 0 && hash.digest("hex") !== sha256)) throw new FileChangedError(path);
        yield isFirst ? { sha256, size: BigInt(sizeBytes), data } : { data };
        onSent(bytesRead);
      }
    } finally {
      closeSync(descriptor);
    }
  }
}

/** A file that was read for its digest and cannot be read now has changed. */
function unlessChanged<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch {
    throw new FileChangedError(path);
  }
}
