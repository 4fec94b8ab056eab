import { createHash } from "node:crypto";

/**
 * Passes on the content of a kept file. Where it is not what its SHA-256 says, `onBroken` is called
 * at its end, and it fails with an Error.
 */
export async function* wholeContent(
  sha256: string,
  content: AsyncIterable<Uint8Array>,
  onBroken: () => Promise<void> | void,
): AsyncGenerator<Uint8Array, void> {
  const hash = createHash("sha256");
  for await (const data of content) {
    hash.update(data);
    yield data;
  }
  if (hash.digest("hex") === sha256) return;
  await onBroken();
  throw new Error(`the file ${sha256} was broken, and is not kept any more: deploy again from the program's folder`);
}
