import { createHash } from "node:crypto";
import { rmSync, statfsSync, statSync } from "node:fs";
import { type FileHandle, mkdir, mkdtemp, open, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { breatheFirst, type Pace, pacing } from "../clock/breathe.ts";
import type { Clock } from "../clock/clock.ts";
import { type BundleFile, digestOf, hexOf } from "../core/bundle.ts";
import { reservedBytes } from "../core/disk-room.ts";
import { isListOf, manifestText, readManifest } from "../program/bundle-manifest.ts";
import { type BundleStore, type BundleUpload, type CreatedBundle, type SweptBundles, unneededMs } from "./bundle-store.ts";
import { storageFull, storing } from "./storing.ts";
import { wholeContent } from "./whole-content.ts";

const MiB = 2 ** 20;
const bounds = { filesMax: 10_000, fileBytesMax: 1_024 * MiB, bundleBytesMax: 2_048 * MiB };
const chunkBytes = 256 * 1_024;
/** Files of an upload that are flushed at the same time: Node has four threads for all its files. */
const flushesMax = 3;

export interface FolderBundlesOptions {
  /** Made if missing. One store at a time. */
  readonly folder: string;
  readonly clock: Clock;
}

/**
 * Bundles in a folder: `files/` by the SHA-256 of their content, `bundles/` by that of their list of
 * files, `uploads/` what is not committed.
 */
export async function openFolderBundles({ folder, clock }: FolderBundlesOptions): Promise<BundleStore> {
  await rm(join(folder, "uploads"), { recursive: true, force: true });
  for (const name of ["files", "bundles", "uploads"]) await mkdir(join(folder, name), { recursive: true, mode: 0o700 });
  return new FolderBundles(folder, clock);
}

class FolderBundles implements BundleStore {
  readonly bounds = bounds;
  readonly #folder: string;
  readonly #clock: Clock;
  /** When what nothing needs was last used, or first seen unneeded, by its path. */
  readonly #usedAtMs = new Map<string, number>();

  constructor(folder: string, clock: Clock) {
    this.#folder = folder;
    this.#clock = clock;
  }

  async missingFiles(sha256s: readonly string[]): Promise<readonly string[]> {
    const missing: string[] = [];
    const pace = this.#pace();
    for (const sha256 of new Set(sha256s)) {
      await pace();
      if ((await storing(() => this.#useFile(sha256))) === undefined) missing.push(sha256);
    }
    return missing;
  }

  async openUpload(): Promise<BundleUpload> {
    const folder = await storing(() => mkdtemp(join(this.#folder, "uploads", "upload-")));
    return new FolderUpload(folder, join(this.#folder, "files"), (sha256) => this.#use("files", sha256));
  }

  async createBundle(files: readonly BundleFile[]): Promise<CreatedBundle> {
    const missing = new Set<string>();
    let other: Extract<CreatedBundle, { kind: "otherSize" }> | undefined;
    const pace = this.#pace();
    for (const { sha256, sizeBytes } of files) {
      await pace();
      const size = await storing(() => this.#useFile(sha256));
      if (size === undefined) missing.add(sha256);
      else if (size !== sizeBytes) other ??= { kind: "otherSize", sha256, sizeBytes: size };
    }
    if (missing.size > 0) return { kind: "missing", sha256s: [...missing] };
    if (other !== undefined) return (await this.#isWhole(other.sha256)) ? other : { kind: "missing", sha256s: [other.sha256] };
    const text = manifestText(files);
    const hex = createHash("sha256").update(text).digest("hex");
    const path = this.#use("bundles", hex);
    if (!(await storing(() => isThere(path)))) {
      const part = await storing(() => mkdtemp(join(this.#folder, "uploads", "bundle-")));
      try {
        await storing(() => writeFile(join(part, hex), text, { mode: 0o400, flush: true }));
        await storing(() => rename(join(part, hex), path));
        await storing(() => flushFolder(join(this.#folder, "bundles")));
      } finally {
        await storing(() => rm(part, { recursive: true, force: true }));
      }
    }
    return { kind: "created", digest: digestOf(hex) };
  }

  async useBundle(digest: string): Promise<boolean> {
    const path = this.#use("bundles", hexOf(digest));
    const isKept = await storing(() => isThere(path));
    if (!isKept) this.#usedAtMs.delete(path);
    return isKept;
  }

  async bundle(digest: string): Promise<readonly BundleFile[] | undefined> {
    const text = await storing(() => readFile(join(this.#folder, "bundles", hexOf(digest)), "utf8").catch(nothingThere));
    if (text === undefined) return undefined;
    if (isListOf(text, digest)) return readManifest(text);
    await storing(() => rmSync(join(this.#folder, "bundles", hexOf(digest)), { force: true }));
    return undefined;
  }

  async *readFile(sha256: string, signal: AbortSignal): AsyncIterable<Uint8Array> {
    const path = join(this.#folder, "files", sha256);
    const file = await storing(() => open(path).catch(nothingThere));
    if (file === undefined) return yield* wholeContent(sha256, nothing(), () => {});
    try {
      const { ino, size } = await file.stat();
      // Another upload may have mended it since.
      const drop = () => statSync(path, { throwIfNoEntry: false })?.ino === ino && rmSync(path, { force: true });
      yield* wholeContent(sha256, chunksOf(file, size, signal), () => void drop());
    } finally {
      await file.close();
    }
  }

  async sweep(needed: ReadonlySet<string>): Promise<SweptBundles> {
    const bundles = await this.#drop("bundles", (hex) => needed.has(digestOf(hex)));
    const inUse = new Set<string>();
    for (const hex of await storing(() => readdir(join(this.#folder, "bundles"))))
      for (const { sha256 } of (await this.bundle(digestOf(hex))) ?? []) inUse.add(sha256);
    const files = await this.#drop("files", (sha256) => inUse.has(sha256));
    return { bundles, files };
  }

  async close(): Promise<void> {}

  async #isWhole(sha256: string): Promise<boolean> {
    try {
      for await (const _ of this.readFile(sha256, AbortSignal.any([])));
      return true;
    } catch {
      return isThere(join(this.#folder, "files", sha256));
    }
  }

  /**
   * Notes a use of a file, and returns its size. Undefined: it is not kept. The system answers at once
   * for a file that is looked up: to wait for a thread each time takes ten times as long.
   */
  #useFile(sha256: string): number | undefined {
    // The use is noted first: what is still there then cannot be dropped.
    const path = this.#use("files", sha256);
    const size = statSync(path, { throwIfNoEntry: false })?.size;
    if (size === undefined) this.#usedAtMs.delete(path);
    return size;
  }

  #pace(): Pace {
    return pacing(() => this.#clock.nowMs());
  }

  /** Notes a use, and returns the path. */
  #use(kind: "files" | "bundles", hex: string): string {
    const path = join(this.#folder, kind, hex);
    this.#usedAtMs.set(path, this.#clock.nowMs());
    return path;
  }

  async #drop(kind: "files" | "bundles", isNeeded: (hex: string) => boolean): Promise<number> {
    let dropped = 0;
    const pace = pacing(() => this.#clock.nowMs(), breatheFirst);
    for (const hex of await storing(() => readdir(join(this.#folder, kind)))) {
      await pace();
      const path = join(this.#folder, kind, hex);
      if (isNeeded(hex)) {
        this.#usedAtMs.delete(path);
        continue;
      }
      const usedAtMs = this.#usedAtMs.get(path) ?? this.#clock.nowMs();
      this.#usedAtMs.set(path, usedAtMs);
      if (this.#clock.nowMs() - usedAtMs < unneededMs) continue;
      // At once, so that no use comes between.
      await storing(() => rmSync(path, { force: true }));
      this.#usedAtMs.delete(path);
      dropped += 1;
    }
    return dropped;
  }
}

class FolderUpload implements BundleUpload {
  readonly #folder: string;
  /** The folder of kept files, and the place of one in it. */
  readonly #keptFolder: string;
  readonly #place: (sha256: string) => string;
  readonly #sha256s = new Set<string>();
  /** Files that are whole, and are being flushed to the disk. None rejects. */
  readonly #flushing = new Set<Promise<void>>();
  #file: FileHandle | undefined;
  #fault: unknown;

  constructor(folder: string, keptFolder: string, place: (sha256: string) => string) {
    this.#folder = folder;
    this.#keptFolder = keptFolder;
    this.#place = place;
  }

  async begin({ sha256, sizeBytes }: Pick<BundleFile, "sha256" | "sizeBytes">): Promise<void> {
    await this.#end();
    if (!(await storing(() => hasRoom(this.#folder, sizeBytes)))) throw storageFull();
    const path = join(this.#folder, sha256);
    if (this.#sha256s.has(sha256)) await storing(() => rm(path)); // sent twice: it may not be written to again
    this.#file = await storing(() => open(path, "w", 0o400));
    this.#sha256s.add(sha256);
  }

  async write(data: Uint8Array): Promise<void> {
    await storing(async () => this.#file?.writeFile(data));
  }

  async commit(): Promise<void> {
    await this.#end();
    await Promise.all(this.#flushing);
    if (this.#fault !== undefined) throw this.#fault;
    for (const sha256 of this.#sha256s) await storing(() => rename(join(this.#folder, sha256), this.#place(sha256)));
    await storing(() => flushFolder(this.#keptFolder));
    await this.abort();
  }

  async abort(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
    await Promise.all(this.#flushing);
    await storing(() => rm(this.#folder, { recursive: true, force: true }));
  }

  /**
   * Ends the file that was begun. It is flushed to the disk while others arrive: a file that is kept
   * is whole also after the machine lost its power.
   */
  async #end(): Promise<void> {
    const file = this.#file;
    if (file === undefined) return;
    this.#file = undefined;
    const flushing = storing(() => file.datasync().finally(() => file.close()))
      .catch((cause: unknown) => {
        this.#fault ??= cause;
      })
      .finally(() => this.#flushing.delete(flushing));
    this.#flushing.add(flushing);
    if (this.#flushing.size >= flushesMax) await Promise.race(this.#flushing);
  }
}

/** Reads no further than the size of the file: most files are small, and each read is a thread's turn. */
async function* chunksOf(file: FileHandle, sizeBytes: number, signal: AbortSignal): AsyncGenerator<Uint8Array, void> {
  for (let left = sizeBytes; left > 0; ) {
    signal.throwIfAborted();
    const { bytesRead, buffer } = await storing(() => file.read(Buffer.allocUnsafe(Math.min(left, chunkBytes))));
    if (bytesRead === 0) return; // it was cut meanwhile
    left -= bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

/** The names in a folder outlive a machine that loses its power. */
async function flushFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  await folder.sync().finally(() => folder.close());
}

/** Whether the disk keeps the room that Redis and new replicas need, with so many bytes more. */
function hasRoom(folder: string, bytes: number): boolean {
  const { bavail, bsize, blocks } = statfsSync(folder);
  return bavail * bsize - bytes >= reservedBytes(blocks * bsize);
}

const isThere = (path: string): boolean => statSync(path, { throwIfNoEntry: false }) !== undefined;

function nothingThere(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}

async function* nothing(): AsyncGenerator<Uint8Array, void> {}
