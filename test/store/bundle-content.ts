// Files of bundles for tests, by their texts.
import { createHash } from "node:crypto";
import type { BundleFile } from "../../src/core/bundle.ts";
import type { BundleStore } from "../../src/store/bundle-store.ts";

export const sha256Of = (text: string): string => createHash("sha256").update(text).digest("hex");
export const fileOf = (path: string, text: string): BundleFile => ({
  path,
  executable: false,
  sizeBytes: Buffer.byteLength(text),
  sha256: sha256Of(text),
});
const never = new AbortController().signal;

export async function put(store: BundleStore, ...texts: readonly string[]): Promise<void> {
  const upload = await store.openUpload();
  for (const text of texts) {
    await upload.begin({ sha256: sha256Of(text), sizeBytes: Buffer.byteLength(text) });
    if (text !== "") await upload.write(Buffer.from(text));
  }
  await upload.commit();
  await upload.abort();
}

export async function textOf(store: BundleStore, sha256: string): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const data of store.readFile(sha256, never)) parts.push(data);
  return Buffer.concat(parts).toString();
}
