import { createHash } from "node:crypto";
import type { BigIntStats } from "node:fs";
import { open } from "node:fs/promises";
import type { BundleFile } from "../core/bundle.ts";
import { BundleError, FileChangedError, leaveOut } from "./bundle-error.ts";
import type { FoundFile } from "./find-files.ts";

/** The bytes of one piece of a file. */
export const pieceBytes = 512 * 1_024;
/** How often a file is read that changes while it is read. */
const readsMax = 3;
/** Files that are read at the same time. */
const atOnce = 8;

/** A file of a bundle, and where it is. */
export interface DigestedFile extends BundleFile {
  readonly file: string;
}

/**
 * Computes the digests of files. A file that is as it was has the digest that it had: with the same
 * path, size, times and inode.
 */
export class FileDigests {
  #known = new Map<string, string>();

  /** In the order of `found`. Fails with a `FileChangedError` or a `BundleError`. */
  async digest(found: readonly FoundFile[], signal: AbortSignal): Promise<readonly DigestedFile[]> {
    const digested = new Array<DigestedFile>(found.length);
    const next = found.entries();
    const known = new Map<string, string>();
    const work = async () => {
      for (const [index, one] of next) digested[index] = await this.#digest(one, known, signal);
    };
    await Promise.all(Array.from({ length: atOnce }, work));
    this.#known = known;
    return digested;
  }

  async #digest(found: FoundFile, known: Map<string, string>, signal: AbortSignal): Promise<DigestedFile> {
    for (let reads = 0; reads < readsMax; reads++) {
      signal.throwIfAborted();
      const digested = await this.#read(found, known).catch((cause: NodeJS.ErrnoException) => {
        if (cause.code === "ENOENT") return undefined;
        throw new BundleError(`${found.path} cannot be read (${cause.message}); ${leaveOut}`);
      });
      if (digested !== undefined) return digested;
    }
    throw new FileChangedError(found.path);
  }

  /** Undefined: it changed while it was read. */
  async #read({ path, file }: FoundFile, known: Map<string, string>): Promise<DigestedFile | undefined> {
    const handle = await open(file);
    try {
      const before = await handle.stat({ bigint: true });
      const identity = `${identityOf(before)} ${file}`;
      let sha256 = this.#known.get(identity);
      if (sha256 === undefined) {
        const hash = createHash("sha256");
        let bytes = 0;
        const buffer = Buffer.allocUnsafe(Math.max(1, Math.min(pieceBytes, Number(before.size) + 1)));
        for (;;) {
          const { bytesRead } = await handle.read(buffer, 0, buffer.length);
          if (bytesRead === 0) break;
          hash.update(buffer.subarray(0, bytesRead));
          bytes += bytesRead;
        }
        const isSame = identityOf(before) === identityOf(await handle.stat({ bigint: true }));
        if (!isSame || BigInt(bytes) !== before.size) return undefined;
        sha256 = hash.digest("hex");
      }
      known.set(identity, sha256);
      return { path, file, executable: (before.mode & 0o111n) !== 0n, sizeBytes: Number(before.size), sha256 };
    } finally {
      await handle.close();
    }
  }
}

const identityOf = ({ size, mtimeNs, ctimeNs, dev, ino }: BigIntStats): string => `${size} ${mtimeNs} ${ctimeNs} ${dev} ${ino}`;
