import { createHash } from "node:crypto";
import { createReadStream, lstatSync, readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { breatheFirst, pacing } from "../../clock/breathe.ts";
import { realClock } from "../../clock/real.ts";
import type { BundleFile } from "../../core/bundle.ts";
import { bundleDigest, readManifest } from "../../program/bundle-manifest.ts";

/** The files of an unpacked bundle, and the list of them. */
export const filesIn = (path: string): string => join(path, "files");
export const listIn = (path: string): string => join(path, "list");

/** The folders of files, each after the folder that it is in. */
export function foldersOf(files: readonly BundleFile[]): readonly string[] {
  const folders = new Set<string>();
  const add = (path: string) => {
    if (path === "." || folders.has(path)) return;
    add(dirname(path));
    folders.add(path);
  };
  for (const { path } of files) add(dirname(path));
  return [...folders];
}

/**
 * The seal of an unpacked bundle. It differs as soon as something in the bundle is written, added,
 * removed or renamed, by whomever. It is made of times that only the system sets, and reads no content.
 * Undefined: it is not complete.
 */
export async function sealOf(path: string): Promise<string | undefined> {
  try {
    const files = readManifest(await readFile(listIn(path), "utf8"));
    const hash = createHash("sha256");
    const pace = pacing(() => realClock.nowMs(), breatheFirst);
    const places = [...foldersOf(files), ...files.map((file) => file.path)].map((inside) => join(filesIn(path), inside));
    for (const place of [listIn(path), filesIn(path), ...places]) {
      await pace();
      const { ino, mode, size, ctimeNs } = lstatSync(place, { bigint: true });
      hash.update(`${ino} ${mode} ${size} ${ctimeNs}\n`);
    }
    return hash.digest("hex");
  } catch {
    return undefined;
  }
}

/** Whether an unpacked bundle has its files and no others, each with its content. Reads all of it. */
export async function isWhole(path: string, digest: string): Promise<boolean> {
  try {
    const files = readManifest(await readFile(listIn(path), "utf8"));
    if (bundleDigest(files) !== digest) return false;
    const names = new Set([...foldersOf(files), ...files.map((file) => file.path)]);
    const found = readdirSync(filesIn(path), { recursive: true, encoding: "utf8" });
    if (found.length !== names.size || found.some((name) => !names.has(name))) return false;
    for (const file of files) if (!(await hasContent(join(filesIn(path), file.path), file))) return false;
    return true;
  } catch {
    return false;
  }
}

async function hasContent(place: string, { sha256, sizeBytes, executable }: BundleFile): Promise<boolean> {
  const seen = lstatSync(place);
  if (!seen.isFile() || seen.size !== sizeBytes || (seen.mode & 0o111) !== (executable ? 0o111 : 0)) return false;
  const hash = createHash("sha256");
  for await (const data of createReadStream(place)) hash.update(data);
  return hash.digest("hex") === sha256;
}
