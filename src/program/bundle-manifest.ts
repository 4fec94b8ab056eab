import { createHash } from "node:crypto";
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
    .toSorted(byPath)
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

/** What is wrong with a path inside a bundle; undefined: nothing. */
export function bundlePathProblem(path: string): string | undefined {
  if (!path.isWellFormed()) return "must be Unicode";
  if (Buffer.byteLength(path) > pathBytesMax) return `must be at most ${pathBytesMax.toLocaleString("en")} bytes`;
  if (path === "") return "must not be empty";
  if (path.startsWith("/")) return "must be inside the bundle: it must not begin with /";
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are refused
  if (/[\u0000-\u001f\u007f\\]/.test(path)) return "must have no control character and no backslash";
  const names = path.split("/");
  if (names.some((name) => name === "" || name === "." || name === ".."))
    return 'must be inside the bundle: no name in it may be empty, "." or ".."';
  if (names.some((name) => Buffer.byteLength(name) > nameBytesMax)) return `each name in it must be at most ${nameBytesMax} bytes`;
  return undefined;
}

/**
 * What is wrong with a list of files: with one of them, with two that meet on some file system, and
 * with all that is above a bound. At most `problemsMax`.
 */
export function bundleProblems(files: readonly BundleFile[], bounds: BundleBounds, problemsMax = 20): readonly BundleFileProblem[] {
  const found: BundleFileProblem[] = [];
  const names = new PathNames();
  let bytes = 0;
  for (const [index, file] of files.entries()) {
    found.push(...fileProblems(file, index, bounds));
    const clash = names.add(file.path);
    if (clash !== undefined) found.push({ index, field: "path", description: `${clash} (got ${JSON.stringify(file.path)})` });
    bytes += file.sizeBytes;
    if (found.length >= problemsMax) return found.slice(0, problemsMax);
  }
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

/** The names of files and folders of a bundle, to find those that some file systems take for one. */
export class PathNames {
  /** By the folded path: the path, and whether it is a file. */
  readonly #known = new Map<string, { readonly path: string; readonly isFile: boolean }>();

  /** Adds a file and its folders. Returns with what the file clashes; undefined: with nothing. */
  add(path: string): string | undefined {
    for (let end = path.indexOf("/"); ; end = path.indexOf("/", end + 1)) {
      const isFile = end < 0;
      const part = isFile ? path : path.slice(0, end);
      const key = folded(part);
      const known = this.#known.get(key);
      if (known === undefined) this.#known.set(key, { path: part, isFile });
      else if (known.path !== part) return `differs only in case or normal form from ${JSON.stringify(known.path)}`;
      else if (isFile && known.isFile) return "is there twice";
      else if (isFile || known.isFile) return `${JSON.stringify(part)} is a file and a folder`;
      if (isFile) return undefined;
    }
  }
}

/** Equal for paths that a file system which ignores case and normal form takes for one. */
const folded = (path: string): string => path.normalize("NFKC").toLowerCase().normalize("NFC");
