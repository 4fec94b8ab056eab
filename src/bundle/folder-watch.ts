import { type FSWatcher, type Stats, statSync, watch } from "node:fs";
import { basename, dirname } from "node:path";
import type { FoundFolder } from "./find-files.ts";

/** How long a folder must be quiet after a change, and the longest wait for that. */
const quietMs = 50;
const quietMaxMs = 500;

/** Why the system refuses to watch a folder, and what to do. */
const refusals: Readonly<Record<string, string>> = {
  ENOSPC: "the system watches as many files as it may: raise fs.inotify.max_user_watches",
  EMFILE: "the system has as many watches as it may: raise fs.inotify.max_user_instances",
};

interface WatchedFolder {
  readonly watcher: FSWatcher;
  /** Which folder it was: another one may get the same path. */
  readonly identity: string;
}

export interface FolderWatchOptions {
  readonly nowMs: () => number;
  /** Ends early when the signal aborts. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

/**
 * Notices changes of the files in folders. It watches exactly the folders that it is given, without
 * those below them, and in them what they do not leave out.
 */
export class FolderWatch {
  readonly #options: FolderWatchOptions;
  readonly #folders = new Map<string, WatchedFolder>();
  /** Those that were asked for last. */
  #wanted = new Map<string, FoundFolder>();
  #changes = 0;
  #seen = 0;
  /** When the first change came that was not seen, and when the last. */
  #changedAtMs: number | undefined;
  #lastAtMs = 0;
  #wake = () => {};

  constructor(options: FolderWatchOptions) {
    this.#options = options;
  }

  /**
   * Watches these folders, and no others. In the place of a folder that is gone, it watches the
   * nearest one above it that is there. True: a folder is watched now that was not before, so its
   * files may have changed unseen. Throws an error with the remedy where the system refuses.
   */
  follow(folders: readonly FoundFolder[]): boolean {
    this.#wanted = new Map(folders.map((found) => [found.folder, found]));
    const wanted = new Map(folders.map(({ folder }) => nearest(folder)));
    for (const [path, { identity }] of this.#folders) {
      const stats = wanted.get(path);
      if (stats === undefined || identityOf(stats) !== identity) this.#leave(path);
    }
    let added = false;
    for (const [path, stats] of wanted) {
      if (this.#folders.has(path)) continue;
      added = true;
      this.#watch(path, identityOf(stats));
    }
    return added;
  }

  /** Whether a change was noticed that no call of {@link changed} has returned for. */
  get hasChanged(): boolean {
    return this.#changes !== this.#seen;
  }

  /** Notes a change that nobody noticed. */
  note(): void {
    this.#changes += 1;
    this.#lastAtMs = this.#options.nowMs();
    this.#changedAtMs ??= this.#lastAtMs;
    this.#wake();
  }

  /**
   * Returns after the next change, once there was no further one for 50 ms, or 500 ms after the
   * first: the time of the first. A change since the last call counts. Returns undefined as soon as
   * the signal aborts.
   */
  async changed(signal: AbortSignal): Promise<number | undefined> {
    if (!this.hasChanged) await this.#next(signal);
    const { nowMs, sleep } = this.#options;
    const endMs = nowMs() + quietMaxMs;
    const leftMs = () => Math.min(this.#lastAtMs + quietMs, endMs) - nowMs();
    while (leftMs() > 0 && !signal.aborted) await sleep(leftMs(), signal);
    if (signal.aborted) return undefined;
    const changedAtMs = this.#changedAtMs;
    this.#seen = this.#changes;
    this.#changedAtMs = undefined;
    return changedAtMs;
  }

  close(): void {
    for (const path of [...this.#folders.keys()]) this.#leave(path);
  }

  /** Resolves at the next change, or when the signal aborts. */
  #next(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        signal.removeEventListener("abort", end);
        this.#wake = () => {};
        resolve();
      };
      this.#wake = end;
      signal.addEventListener("abort", end);
      if (signal.aborted) end();
    });
  }

  #watch(path: string, identity: string): void {
    try {
      const watcher = watch(path, (_, name) => {
        if (!this.#leavesOut(path, name)) this.note();
      });
      // The folder is gone, or the system has given up: the next `follow` finds out.
      watcher.on("error", () => {
        this.#leave(path);
        this.note();
      });
      this.#folders.set(path, { watcher, identity });
    } catch (cause) {
      const { code = "", message } = cause as NodeJS.ErrnoException;
      if (code !== "ENOENT" && code !== "ENOTDIR") throw new Error(`cannot watch ${path}: ${refusals[code] ?? message}`);
      this.note(); // it went since it was found
    }
  }

  /** The name is null or the folder's own where the change is of the folder itself. */
  #leavesOut(path: string, name: string | null): boolean {
    return name !== null && name !== basename(path) && this.#wanted.get(path)?.leavesOut(name) === true;
  }

  #leave(path: string): void {
    this.#folders.get(path)?.watcher.close();
    this.#folders.delete(path);
  }
}

/** The folder, or the nearest above it that is there. */
function nearest(folder: string): readonly [path: string, stats: Stats] {
  const stats = statSync(folder, { throwIfNoEntry: false });
  if (stats?.isDirectory() || dirname(folder) === folder) return [folder, stats ?? statSync(folder)];
  return nearest(dirname(folder));
}

/** A deleted folder's number may be given to the next one, but not with the same time of birth. */
const identityOf = ({ dev, ino, birthtimeMs }: Stats): string => `${dev}:${ino}:${birthtimeMs}`;
