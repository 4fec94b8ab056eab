import { createHash } from "node:crypto";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { BundleFile } from "../../../src/core/bundle.ts";
import type { Requirements } from "../../../src/core/deployment.ts";
import type { UnpackedBundle } from "../../../src/engine/local/unpacked-bundles.ts";
import { bundleDigest } from "../../../src/program/bundle-manifest.ts";
import { testFolder } from "./engine-harness.ts";

export type Contents = Readonly<Record<string, string | Uint8Array>>;

/** A bundle of these files as an engine unpacks it, and requirements that name it. */
export async function bundleFolder(contents: Contents): Promise<{
  readonly bundle: UnpackedBundle;
  require(more: Partial<Requirements>): Requirements;
}> {
  const folder = await testFolder();
  const files: BundleFile[] = [];
  for (const [path, content] of Object.entries(contents)) {
    const bytes = Buffer.from(content);
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), bytes);
    await chmod(join(folder, path), 0o444);
    files.push({ path, executable: false, sizeBytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") });
  }
  const digest = bundleDigest(files);
  return { bundle: { files, folder }, require: (more) => ({ npm: [], pip: [], bundle: digest, ...more }) };
}
