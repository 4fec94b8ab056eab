import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { UploadFilesRequestSchema } from "../../gen/drover/v1/controller_service_pb.ts";
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
  for (const one of files) {
    const { path, sha256, sizeBytes, file } = one;
    const handle = await open(file).catch(() => Promise.reject(new FileChangedError(path)));
    try {
      const hash = createHash("sha256");
      let left = sizeBytes;
      for (let isFirst = true; isFirst || left > 0; isFirst = false) {
        const wanted = Math.min(pieceBytes, left);
        const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(wanted), 0, wanted);
        const data = buffer.subarray(0, bytesRead);
        hash.update(data);
        left -= bytesRead;
        const isCut = bytesRead < wanted && bytesRead === 0;
        if (isCut || (left === 0 && hash.digest("hex") !== sha256)) throw new FileChangedError(path);
        yield isFirst ? { sha256, size: BigInt(sizeBytes), data } : { data };
        onSent(bytesRead);
      }
    } finally {
      await handle.close();
    }
  }
}
