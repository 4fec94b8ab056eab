import { isUtf8 } from "node:buffer";
import { type Dirent, existsSync, lstatSync, readdirSync, readlinkSync, realpathSync, type Stats, statSync } from "node:fs";
import { join } from "node:path";
import { breatheFirst, pacing } from "../clock/breathe.ts";
import { realClock } from "../clock/real.ts";
import { type BundleBounds, bytesOf } from "../core/bundle.ts";
import { formatBytes } from "../core/resources.ts";
import { bundlePathProblem, clashes } from "../program/bundle-manifest.ts";
import { BundleError, leaveOut } from "./bundle-error.ts";
import { pathInside } from "./bundle-folder.ts";
import { IgnoreRules } from "./ignore-rules.ts";

/** A folder with this file is a virtual environment of Python, which is left out. */
const virtualEnvironment = "pyvenv.cfg";
/** How many of the largest files an error names. */
const namedMax = 5;
/** The most folders that are read. Links between folders may make a few folders into very many. */
const foldersMax = 100_000;

/** A file that is to be sent. */
export interface FoundFile {
  /** Inside the bundle, with `/`. */
  readonly path: string;
  readonly file: string;
  readonly sizeBytes: number;
}

/** A folder that may have files that are sent. */
export interface FoundFolder {
  readonly folder: string;
  /** Whether what has this name in it is not sent. */
  leavesOut(name: string): boolean;
}

/** The files of a folder that are to be sent, and the folders that have them. */
export interface FoundFiles {
  readonly files: readonly FoundFile[];
  readonly folders: readonly FoundFolder[];
}

interface FolderAt {
  /** Inside the bundle: empty, or with `/` at its end. */
  readonly path: string;
  readonly folder: string;
  readonly rules: IgnoreRules;
  /** Of the folder itself and those that it is in, to find a link into one of them. */
  readonly identities: readonly string[];
}

/**
 * The files of a folder without those that are left out, in no certain order. Fails with a
 * `BundleError` at a file that cannot be sent, or where there is more than the bounds allow. `without`:
 * absolute paths of files that are left out, too.
 */
export async function findFiles(
  root: string,
  bounds: BundleBounds,
  signal: AbortSignal,
  without: ReadonlySet<string> = new Set(),
): Promise<FoundFiles> {
  const files: FoundFile[] = [];
  const folders: FoundFolder[] = [];
  await walk(root, signal, {
    onFolder: (found) => folders.push(found),
    onFile(found) {
      if (without.has(found.file)) return;
      checkPath(found.path);
      files.push(found);
      if (files.length > 2 * bounds.filesMax) throw tooManyFiles(files, bounds);
    },
    onProblem(error) {
      throw error;
    },
  });
  if (files.length === 0) throw new BundleError(`${root} has no file to send: .gitignore and .droverignore leave out all of them`);
  checkBounds(files, bounds);
  const [clash] = clashes(files, 1);
  if (clash !== undefined) throw new BundleError(`the path of a file ${clash.description}: rename one of them, or ${leaveOut}`);
  return { files, folders };
}

/** The folders that have the files of a folder, also where some of these cannot be sent. */
export async function findFolders(root: string, signal: AbortSignal): Promise<readonly FoundFolder[]> {
  const folders: FoundFolder[] = [];
  await walk(root, signal, { onFolder: (found) => folders.push(found), onFile: () => {}, onProblem: () => {} });
  return folders;
}

interface Visitor {
  onFolder(found: FoundFolder): void;
  onFile(found: FoundFile): void;
  /** One entry of a folder, or a folder, cannot be sent. */
  onProblem(error: BundleError): void;
}

async function walk(root: string, signal: AbortSignal, { onFolder, onFile, onProblem }: Visitor): Promise<void> {
  const realRoot = realpathSync(root);
  const waiting: FolderAt[] = [{ path: "", folder: root, rules: IgnoreRules.above(root), identities: [identityOf(statSync(root))] }];
  const pace = pacing(() => realClock.nowMs(), breatheFirst);
  let folders = 0;
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    folders += 1;
    if (folders > foldersMax) throw tooManyFolders(root);
    const here: FolderAt = { ...at, rules: at.rules.within(at.folder, at.path) };
    onFolder({ folder: here.folder, leavesOut: (name) => isLeftOut(here, name, isFolderAt(join(here.folder, name))) });
    for (const entry of orProblem(() => entriesOf(here), onProblem) ?? []) {
      await pace();
      signal.throwIfAborted();
      const found = orProblem(() => foundAt(entry, here, realRoot), onProblem);
      if (found === undefined) continue;
      if ("folder" in found) waiting.push(found);
      else onFile(found);
    }
  }
}

function orProblem<T>(work: () => T, onProblem: (error: BundleError) => void): T | undefined {
  try {
    return work();
  } catch (cause) {
    if (!(cause instanceof BundleError)) throw cause;
    onProblem(cause);
    return undefined;
  }
}

/** What is to be sent of an entry of a folder. Undefined: nothing. */
function foundAt(entry: Dirent<NonSharedBuffer>, at: FolderAt, realRoot: string): FoundFile | FolderAt | undefined {
  const name = entry.name.toString();
  const path = at.path + name;
  const file = join(at.folder, name);
  const seen = seenAt(isUtf8(entry.name) ? file : Buffer.concat([Buffer.from(join(at.folder, "/")), entry.name]), entry, path);
  const isFolder = seen?.isDirectory() === true;
  if (isLeftOut(at, name, isFolder)) return undefined;
  if (!isUtf8(entry.name))
    throw new BundleError(`${JSON.stringify(path)} cannot be sent: its name is not UTF-8; rename it, or ${leaveOut}`);
  if (entry.isSymbolicLink()) checkLink(file, path, realRoot);
  if (seen === undefined) return undefined; // it went since the folder was read
  if (isFolder) {
    const identity = identityOf(seen);
    if (at.identities.includes(identity))
      throw new BundleError(`${path} is a symbolic link into a folder that it is in, without an end; ${leaveOut}`);
    return { path: `${path}/`, folder: file, rules: at.rules, identities: [...at.identities, identity] };
  }
  if (!seen.isFile()) throw new BundleError(`${path} is ${kindOf(seen)}, which cannot be sent; ${leaveOut}`);
  return { path, file, sizeBytes: seen.size };
}

function isLeftOut({ folder, path, rules }: FolderAt, name: string, isFolder: boolean): boolean {
  if (rules.leavesOut(isFolder ? `${path}${name}/` : path + name)) return true;
  return isFolder && existsSync(join(folder, name, virtualEnvironment));
}

function isFolderAt(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

/** In the order of the bytes of their names, so that an error names the same file each time. */
function entriesOf({ folder, path }: FolderAt): readonly Dirent<NonSharedBuffer>[] {
  try {
    return readdirSync(folder, { withFileTypes: true, encoding: "buffer" }).sort((a, b) => Buffer.compare(a.name, b.name));
  } catch (cause) {
    if (path !== "" && isGone(cause)) return [];
    throw unreadable(path || folder, cause);
  }
}

/** What is there, or what a link leads to. Undefined: nothing, or the link itself. */
function seenAt(file: string | Buffer, entry: Dirent<NonSharedBuffer>, path: string): Stats | undefined {
  try {
    return entry.isSymbolicLink() ? statSync(file) : lstatSync(file);
  } catch (cause) {
    if (isGone(cause)) return undefined;
    throw unreadable(path, cause);
  }
}

const isGone = (cause: unknown): boolean => ["ENOENT", "ENOTDIR", "ELOOP"].includes((cause as NodeJS.ErrnoException).code ?? "");

const unreadable = (path: string, cause: unknown): BundleError =>
  new BundleError(`${path} cannot be read (${cause instanceof Error ? cause.message : cause}); ${leaveOut}`);

const identityOf = ({ dev, ino }: Stats): string => `${dev} ${ino}`;

/** Refuses a link that leads out of the folder, or to nothing. */
function checkLink(file: string, path: string, realRoot: string): void {
  const target = readlinkSync(file);
  let real: string;
  try {
    real = realpathSync(file);
  } catch {
    throw new BundleError(`${path} is a symbolic link to ${target}, where nothing is; ${leaveOut}`);
  }
  if (pathInside(realRoot, real) === undefined)
    throw new BundleError(`${path} is a symbolic link to ${target}, which is not in the folder that is sent; ${leaveOut}`);
}

function kindOf(seen: Stats): string {
  if (seen.isSocket()) return "a socket";
  return seen.isFIFO() ? "a pipe" : "a device";
}

function checkPath(path: string): void {
  const problem = bundlePathProblem(path);
  if (problem !== undefined)
    throw new BundleError(`${JSON.stringify(path)} cannot be sent: its path ${problem}; rename it, or ${leaveOut}`);
}

function checkBounds(files: readonly FoundFile[], bounds: BundleBounds): void {
  const { filesMax, fileBytesMax, bundleBytesMax } = bounds;
  if (files.length > filesMax) throw tooManyFiles(files, bounds);
  const large = files.filter(({ sizeBytes }) => sizeBytes > fileBytesMax);
  if (large.length > 0) throw new BundleError(`${largest(large)}: a file may have ${formatBytes(fileBytesMax)}; ${leaveOut}`);
  const bytes = bytesOf(files);
  if (bytes <= bundleBytesMax) return;
  const text = `all files have ${formatBytes(bytes)}: a bundle may have ${formatBytes(bundleBytesMax)}; the largest are ${largest(files)}`;
  throw new BundleError(`${text}; .droverignore leaves out what is not needed`);
}

function tooManyFiles(files: readonly FoundFile[], { filesMax }: BundleBounds): BundleError {
  const number = files.length > 2 * filesMax ? `more than ${(2 * filesMax).toLocaleString("en")}` : files.length.toLocaleString("en");
  const [where, count] = fullest(files);
  const more = where === "" ? "" : `, ${count.toLocaleString("en")} of them in ${where}`;
  return new BundleError(
    `${number} files are too many: a bundle may have ${filesMax.toLocaleString("en")}${more}; .droverignore leaves out what is not needed`,
  );
}

const tooManyFolders = (root: string): BundleError =>
  new BundleError(
    `${root} has more than ${foldersMax.toLocaleString("en")} folders, links to folders included; .droverignore leaves out what is not needed`,
  );

function largest(files: readonly FoundFile[]): string {
  const named = files.toSorted((a, b) => b.sizeBytes - a.sizeBytes).slice(0, namedMax);
  return named.map(({ path, sizeBytes }) => `${path} (${formatBytes(sizeBytes)})`).join(", ");
}

/** The deepest folder that has more than half of the files; else the fullest of the first level. */
function fullest(files: readonly FoundFile[]): readonly [string, number] {
  const counts = new Map<string, number>();
  for (const { path } of files)
    for (let end = path.indexOf("/"); end >= 0; end = path.indexOf("/", end + 1)) {
      const folder = path.slice(0, end);
      counts.set(folder, (counts.get(folder) ?? 0) + 1);
    }
  const all = [...counts];
  const most = all.filter(([, count]) => 2 * count > files.length).sort(([a], [b]) => b.length - a.length);
  const first = all.filter(([folder]) => !folder.includes("/")).sort(([, a], [, b]) => b - a);
  return most[0] ?? first[0] ?? ["", 0];
}
