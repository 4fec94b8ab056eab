import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { dirname, relative, resolve } from "node:path";

/** Files read at most; what a program imports beyond them does not count. */
const filesMax = 1_000;

const relativeImport = /\b(?:from|import|require)\s*\(?\s*["'](\.{1,2}\/[^"']+)["']/g;

/**
 * 16 hex digits that change with the module, with the files it imports by relative paths, and with `more`; not with
 * installed packages.
 */
export async function moduleDigest(path: string, more: string): Promise<string> {
  const hash = createHash("sha256").update(more);
  const seen = new Set([resolve(path)]);
  for (const file of seen) {
    const text = await readFile(file, "utf8").catch(() => undefined);
    if (text === undefined) continue;
    hash.update(`\0${relative(dirname(path), file)}\0${text}`);
    for (const [, specifier] of text.matchAll(relativeImport)) {
      if (seen.size < filesMax) seen.add(resolve(dirname(file), specifier as string));
    }
  }
  return hash.digest("hex").slice(0, 16);
}
