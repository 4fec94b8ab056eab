import { createReadStream, createWriteStream, statSync } from "node:fs";
import { open, rename, rm, stat, truncate } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { LogTimes } from "./log-times.ts";

/** The most that one `read` returns. */
const readBytesMax = 256 * 1024;

/**
 * One output of a replica. The replica writes it, because it must outlive the controller; the
 * controller bounds its size. When the file is too large, its end is copied into a second file
 * (`.1`) and the file is truncated. What the replica writes in between is lost. Positions count
 * bytes since the first one; they keep growing across truncations and restarts of the controller.
 */
export class LogFile {
  readonly path: string;
  readonly #older: string;
  readonly #times: LogTimes;
  /** Bytes truncated so far: the position at which the file begins now. */
  #cut: number;
  /** Reads and truncations take turns. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(path: string) {
    this.path = path;
    this.#older = `${path}.1`;
    this.#times = new LogTimes(`${path}.times`, statSync(path, { throwIfNoEntry: false })?.size ?? 0);
    this.#cut = this.#times.cut;
  }

  /**
   * Records when the current content was written. Synchronous, because a call through the thread
   * pool costs many times more.
   */
  noteTime(): void {
    const seen = statSync(this.path, { throwIfNoEntry: false });
    if (seen !== undefined) this.#times.note(this.#cut + seen.size, seen.mtimeMs, () => this.#begin());
  }

  /** When the byte before `position` was written; undefined: not known. */
  writtenAtMs(position: number): number | undefined {
    return this.#times.at(position);
  }

  /** The first position that is still kept. */
  #begin(): number {
    return this.#cut - (statSync(this.#older, { throwIfNoEntry: false })?.size ?? 0);
  }

  /**
   * Truncates the file if it has more than `bytesMax`, and keeps that many bytes of its end in
   * `.1`, unless there is no room for them. Returns whether it did.
   */
  async bound(bytesMax: number): Promise<boolean> {
    // Nearly always this is all, and synchronous for the same reason as in `noteTime`.
    const seen = statSync(this.path, { throwIfNoEntry: false })?.size ?? 0;
    if (seen <= bytesMax) return false;
    return this.#exclusively(async () => {
      const size = await sizeOf(this.path);
      if (size <= bytesMax) return false;
      const part = `${this.#older}.part`;
      const end = { start: size - bytesMax, end: size - 1 };
      try {
        await pipeline(createReadStream(this.path, end), createWriteStream(part, { mode: 0o600 }));
        await rename(part, this.#older);
      } catch {
        // Perhaps the disk is full: the bound comes first. What is older would not go on from here.
        for (const path of [part, this.#older]) await rm(path, { recursive: true, force: true });
      }
      await truncate(this.path);
      this.#cut += size;
      this.#times.noteCut(this.#cut);
      return true;
    });
  }

  /** The position `bytes` before the end, or the first that is still kept. */
  beforeEnd(bytes: number): Promise<number> {
    return this.#exclusively(async () => Math.max((await sizeOf(this.path)) + this.#cut - bytes, this.#cut - (await sizeOf(this.#older))));
  }

  /**
   * The bytes from `position` on, at most {@link readBytesMax}, and the position after them. Skips
   * bytes that are no longer kept.
   */
  read(position: number): Promise<{ readonly bytes: Buffer; readonly next: number }> {
    return this.#exclusively(async () => {
      const olderStart = this.#cut - (await sizeOf(this.#older));
      const start = Math.max(position, olderStart);
      const bytes = start < this.#cut ? await readAt(this.#older, start - olderStart) : await readAt(this.path, start - this.#cut);
      return { bytes, next: start + bytes.length };
    });
  }

  /** The last `bytesMax` bytes. */
  async tail(bytesMax: number): Promise<{ readonly bytes: Buffer; readonly next: number }> {
    const parts: Buffer[] = [];
    let next = await this.beforeEnd(bytesMax);
    for (let size = 0; size < bytesMax; ) {
      const part = await this.read(next);
      if (part.bytes.length === 0) break;
      parts.push(part.bytes);
      size += part.bytes.length;
      next = part.next;
    }
    return { bytes: Buffer.concat(parts), next };
  }

  #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => {}); // a failure concerns its caller, not the next one
    return turn;
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch {
    return 0; // not there
  }
}

async function readAt(path: string, offset: number): Promise<Buffer> {
  const file = await open(path).catch(() => undefined);
  if (!file) return Buffer.alloc(0);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(readBytesMax), 0, readBytesMax, offset);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
