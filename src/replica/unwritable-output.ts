import { fstatSync, type StatsFs, statfsSync, writeSync } from "node:fs";
import type { Writable } from "node:stream";
import { isatty } from "node:tty";
import { reservedBytes } from "../core/disk-room.ts";

/** How much may be written between two looks at the free space, bytes. */
const unlookedBytesMax = 64 * 1024;
/** A write failed for want of room, or because the disk is broken. */
const diskFaults: ReadonlySet<unknown> = new Set(["ENOSPC", "EDQUOT", "EIO", "EROFS", "EFBIG"]);

/**
 * Whether an error says that the disk did not take a write. A library that writes to a standard
 * output by itself throws it.
 */
export function isDiskFault(error: unknown): boolean {
  const { code, syscall } = (error ?? {}) as NodeJS.ErrnoException;
  return syscall === "write" && diskFaults.has(code);
}

/**
 * Makes a program outlive an output that cannot be written, such as one on a full disk. What cannot
 * be written is dropped and counted; when writing works again, a line says how much was lost.
 */
export function dropUnwritable(stream: Writable & { readonly fd: number }): void {
  stream.on("error", () => {}); // a closed pipe: the reader has left
  if (!isWrittenAtOnce(stream.fd)) return;
  const output = new DroppingOutput(stream.fd);
  stream._write = (chunk: Uint8Array | string, encoding, done) => {
    output.write(typeof chunk === "string" ? Buffer.from(chunk, encoding) : chunk);
    done();
  };
}

/** Whether Node writes to it synchronously: a file or a device, not a pipe, socket or terminal. */
function isWrittenAtOnce(fd: number): boolean {
  const stats = fstatSync(fd);
  return stats.isFile() || (stats.isCharacterDevice() && !isatty(fd));
}

class DroppingOutput {
  readonly #fd: number;
  /** Bytes dropped since the last write that worked, and why the first of them was. */
  #dropped = 0;
  #why = "";
  /** Bytes written since the last look at the free space. */
  #unlooked = Number.POSITIVE_INFINITY;

  constructor(fd: number) {
    this.#fd = fd;
  }

  write(bytes: Uint8Array): void {
    let written = 0;
    try {
      this.#look();
      if (this.#dropped > 0) {
        this.#writeAll(Buffer.from(`${this.#dropped} bytes of output were dropped: ${this.#why}\n`));
        this.#dropped = 0;
      }
      this.#writeAll(bytes, (size) => {
        written += size;
      });
    } catch (error) {
      if (this.#dropped === 0) this.#why = error instanceof Error ? error.message : String(error);
      this.#dropped += bytes.length - written;
    }
  }

  #writeAll(bytes: Uint8Array, onPart: (size: number) => void = () => {}): void {
    for (let at = 0; at < bytes.length; ) {
      const size = writeSync(this.#fd, bytes, at);
      at += size;
      this.#unlooked += size;
      onPart(size);
    }
  }

  /** Throws while the disk has no more room than Drover needs for itself. */
  #look(): void {
    if (this.#unlooked < unlookedBytesMax && this.#dropped === 0) return;
    this.#unlooked = 0;
    const disk = diskOf(this.#fd);
    if (disk !== undefined && disk.bavail * disk.bsize < reservedBytes(disk.blocks * disk.bsize)) throw new Error("the disk is full");
  }
}

/** The disk of an open file; undefined: it is no file of a disk, or the system does not say. */
function diskOf(fd: number): StatsFs | undefined {
  if (!fstatSync(fd).isFile()) return undefined;
  try {
    return statfsSync(`/proc/self/fd/${fd}`);
  } catch {
    return undefined;
  }
}
