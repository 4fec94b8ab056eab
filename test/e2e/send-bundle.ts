import { createHash } from "node:crypto";
import type { Drover } from "./drover.ts";

/** Uploads files, by their paths, as one bundle, and returns its digest. */
export async function sendBundle(drover: Drover, contents: Readonly<Record<string, string>>): Promise<string> {
  const pieces = Object.values(contents).map((text) => ({
    sha256: createHash("sha256").update(text).digest("hex"),
    size: BigInt(Buffer.byteLength(text)),
    data: Buffer.from(text),
  }));
  await drover.controller.uploadFiles(
    (async function* () {
      yield* pieces;
    })(),
  );
  const files = Object.keys(contents).map((path, index) => {
    const { data: _, ...file } = pieces[index]!;
    return { path, executable: false, ...file };
  });
  return (await drover.controller.createBundle({ files })).bundle;
}
