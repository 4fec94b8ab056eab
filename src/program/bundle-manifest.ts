import { createHash } from "node:crypto";
import { posix } from "node:path";
import { type BundleBounds, type BundleFile, digestOf, isSha256 } from "../core/bundle.ts";

/** The most bytes of a path inside a bundle, and of a name in it. */
const pathBytesMax = 1_024;
const nameBytesMax = 255;
const header = "drover bundle 1\n";

/** What is wrong with one file of a list of files; `index` is its place in the list. */
export interface BundleFileProblem {
  readonly index: number;
  /** The field of `BundleFile`. */
  readonly field: "path" | "size" | "sha256";
  readonly description: string;
}

/** The order of the bytes of paths in UTF-8. */
export function byPath(a: Pick<BundleFile, "path">, b: Pick<BundleFile, "path">): number {
  return Buffer.compare(Buffer.from(a.path), Buffer.from(b.path));
}

/** The list of files whose SHA-256 is the bundle's digest. The proto's `BundleFile` defines it. */
export function manifestText(files: readonly BundleFile[]): string {
  const lines = files
    .map((file) => ({ ...file, bytes: Buffer.from(file.path) }))
    .sort((a, b) => Buffer.compare(a.bytes, b.bytes))
    .map(({ sha256, sizeBytes, executable, path }) => `${sha256} ${sizeBytes} ${executable ? "x" : "-"} ${path}\n`);
  return header + lines.join("");
}

/** The files in a list, in its order. Fails with an Error if it is no list of files. */
export function readManifest(text: string): readonly BundleFile[] {
  if (!text.startsWith(header) || !text.endsWith("\n")) throw new Error("not the list of files of a bundle");
  return text
    .slice(header.length)
    .split("\n")
    .slice(0, -1)
    .map((line) => {
      const [, sha256 = "", size, mode, path = ""] = /^([0-9a-f]{64}) (\d+) ([x-]) (.+)$/.exec(line) ?? [];
      if (sha256 === "") throw new Error(`not a file of a bundle: ${line.slice(0, 200)}`);
      return { path, executable: mode === "x", sizeBytes: Number(size), sha256 };
    });
}

/** The digest of the bundle that the files make, whatever their order. */
export function bundleDigest(files: readonly BundleFile[]): string {
  return digestOf(createHash("sha256").update(manifestText(files)).digest("hex"));
}

/** Whether a text is the list of files that a bundle's digest is of. */
export function isListOf(text: string, digest: string): boolean {
  return digestOf(createHash("sha256").update(text).digest("hex")) === digest;
}

/** What is wrong with a path inside a bundle; undefined: nothing. */
export function bundlePathProblem(path: string): string | undefined {
  if (!path.isWellFormed()) return "must be Unicode";
  if (Buffer.byteLength(path) > pathBytesMax) return `must be at most ${pathBytesMax.toLocaleString("en")} bytes`;
  if (path === "") return "must not be empty";
  if (path.startsWith("/")) return "must be inside the bundle: it must not begin with /";
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are refused
  if (/[\u0000-\u001f\u007f\\]/.test(path)) return "must have no control character and no backslash";
  if (/(?:^|\/)\.{0,2}(?:\/|$)/.test(path)) return 'must be inside the bundle: no name in it may be empty, "." or ".."';
  // A name of more bytes has at least 86 characters.
  if (/[^/]{86}/.test(path) && path.split("/").some((name) => Buffer.byteLength(name) > nameBytesMax))
    return `each name in it must be at most ${nameBytesMax} bytes`;
  return undefined;
}

/** Whether a path that is relative to a folder of a bundle leads out of the bundle. */
export function leadsOut(folder: string, path: string): boolean {
  const inside = posix.join(folder, path);
  return !path.startsWith("/") && !path.includes("://") && (inside === ".." || inside.startsWith("../"));
}

/**
 * What is wrong with a list of files: with one of them, with two that meet on some file system, and
 * with all that is above a bound. At most `problemsMax`.
 */
export function bundleProblems(files: readonly BundleFile[], bounds: BundleBounds, problemsMax = 20): readonly BundleFileProblem[] {
  const found: BundleFileProblem[] = [];
  let bytes = 0;
  for (const [index, file] of files.entries()) {
    found.push(...fileProblems(file, index, bounds));
    bytes += file.sizeBytes;
    if (found.length >= problemsMax) return found.slice(0, problemsMax);
  }
  // Only paths within their bounds are compared.
  if (found.length > 0) return found;
  found.push(...clashes(files, problemsMax));
  return bytes > bounds.bundleBytesMax ? [...found, tooManyBytes(bytes, files.length - 1, bounds)] : found;
}

function tooManyBytes(bytes: number, index: number, { bundleBytesMax }: BundleBounds): BundleFileProblem {
  const description = `all files together must be at most ${bundleBytesMax} bytes (got ${bytes})`;
  return { index, field: "size", description };
}

function fileProblems(
  { path, sizeBytes, sha256 }: BundleFile,
  index: number,
  { fileBytesMax }: BundleBounds,
): readonly BundleFileProblem[] {
  const found: BundleFileProblem[] = [];
  const wrong = bundlePathProblem(path);
  if (wrong !== undefined) found.push({ index, field: "path", description: `${wrong} (got ${JSON.stringify(path.slice(0, 200))})` });
  if (!(sizeBytes >= 0 && sizeBytes <= fileBytesMax)) {
    found.push({ index, field: "size", description: `must be 0 to ${fileBytesMax} bytes (got ${sizeBytes})` });
  }
  if (!isSha256(sha256)) {
    found.push({
      index,
      field: "sha256",
      description: `must be 64 lower-case hexadecimal digits (got ${JSON.stringify(sha256.slice(0, 80))})`,
    });
  }
  return found;
}

/** A path of a list of files, as {@link clashes} compares it. */
interface FoldedPath {
  readonly index: number;
  readonly path: string;
  /** Its names, folded. A blank byte between them sorts a folder's files together. */
  readonly key: string;
}
const between = "\0";

/**
 * Paths of which some file system takes two for one, or a part of one for another. Paths with a
 * common folder are neighbours in the order of their keys, so that neighbours alone are compared.
 */
export function clashes(files: readonly Pick<BundleFile, "path">[], problemsMax: number): readonly BundleFileProblem[] {
  const sorted = files
    .map(({ path }, index): FoldedPath => ({ index, path, key: keyOf(path) }))
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : a.index - b.index));
  const found: BundleFileProblem[] = [];
  for (let at = 1; at < sorted.length && found.length < problemsMax; at++) {
    const [shorter, longer] = [sorted[at - 1]!, sorted[at]!];
    const clash = clashOf(shorter, longer);
    if (clash === undefined) continue;
    const [first, last] = shorter.index < longer.index ? [shorter, longer] : [longer, shorter];
    const description = `${clash} ${JSON.stringify(first.path)} (got ${JSON.stringify(last.path)})`;
    found.push({ index: last.index, field: "path", description });
  }
  return found;
}

/** What two paths of a list must not have in common; undefined: nothing. */
function clashOf(one: FoldedPath, other: FoldedPath): string | undefined {
  // Most neighbours are different files of one folder.
  if (one.key !== other.key && folderOf(one.path) === folderOf(other.path)) return undefined;
  if (one.path === other.path) return "must differ from all others, and there is already";
  const names = [namesOf(one.path, "/"), namesOf(other.path, "/")] as const;
  const keys = [namesOf(one.key, between), namesOf(other.key, between)] as const;
  for (;;) {
    const [key, otherKey] = [keys[0].next().value, keys[1].next().value];
    if (key === undefined || otherKey === undefined) {
      return key === otherKey ? undefined : "must not make a folder of a file, or a file of a folder, and there is already";
    }
    if (key !== otherKey) return undefined;
    if (names[0].next().value !== names[1].next().value) return "must differ in more than case and normal form from";
  }
}

function* namesOf(path: string, separator: string): Generator<string, undefined> {
  for (let begin = 0; begin <= path.length; ) {
    const found = path.indexOf(separator, begin);
    const end = found < 0 ? path.length : found;
    yield path.slice(begin, end);
    begin = end + 1;
  }
  return undefined;
}

const folderOf = (path: string): string => path.slice(0, path.lastIndexOf("/") + 1);

function keyOf(path: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the first and last of ASCII
  const isAscii = /^[\u0000-\u007f]*$/.test(path);
  const names = (isAscii ? path.toLowerCase() : path).split("/");
  return (isAscii ? names : names.map(folded)).join(between);
}

/** Equal for names that a file system which ignores case and normal form takes for one. */
const folded = (name: string): string => name.normalize("NFKC").toUpperCase().toLowerCase().normalize("NFC");
