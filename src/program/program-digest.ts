import { createHash } from "node:crypto";
import { dirname, relative, resolve } from "node:path";

/** The most files that are read; further imports do not count. */
const filesMax = 1_000;
/** The largest file that is searched for imports. */
const sourceBytesMax = 16 * 1024 * 1024;

const relativeImport = /\b(?:from|import|require)\s*\(?\s*["'](\.{1,2}\/[^"']+)["']/g;

/**
 * 16 hex digits that change with the program's files, with what they import by relative paths, and
 * with `more`; not with installed packages. `read` returns a file's bytes, or undefined where there
 * is no such file.
 */
export function programDigest(paths: readonly string[], more: string, read: (path: string) => Buffer | undefined): string {
  const hash = createHash("sha256").update(more);
  const files = new Set(paths.map((path) => resolve(path)));
  const base = dirname([...files][0] ?? "");
  for (const file of files) {
    const bytes = read(file);
    if (bytes === undefined) continue;
    hash.update(`\0${relative(base, file)}\0`).update(bytes);
    if (bytes.length > sourceBytesMax) continue;
    for (const [, specifier] of bytes.toString().matchAll(relativeImport)) {
      if (files.size < filesMax) files.add(resolve(dirname(file), specifier as string));
    }
  }
  return hash.digest("hex").slice(0, 16);
}
