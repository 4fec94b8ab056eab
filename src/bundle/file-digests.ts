import { createHash } from "node:crypto";
import { type BigIntStats, closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { breatheFirst, type Pace, pacing } from "../clock/breathe.ts";
import { realClock } from "../clock/real.ts";
import type { BundleFile } from "../core/bundle.ts";
import { BundleError, FileChangedError, leaveOut } from "./bundle-error.ts";
import type { FoundFile } from "./find-files.ts";

/** The bytes of one piece of a file. */
export const pieceBytes = 512 * 1_024;
/** How often a file is read that changes while it is read. */
const readsMax = 3;
/**
 * A file that was written this shortly before it was read is read again the next time: some file
 * systems give two writes in that time the same time.
 */
const settledMs = 2_000;

/** A file of a bundle, and where it is. */
export interface DigestedFile extends BundleFile {
  readonly file: string;
}

/**
 * Computes the digests of files. A file that is as it was has the digest that it had: with the same
 * path, size, times and inode.
 */
export class FileDigests {
  readonly #wallMs: () => number;
  /** By what tells that a file is the same. */
  #known = new Map<string, string>();

  constructor(wallMs = () => realClock.wallMs()) {
    this.#wallMs = wallMs;
  }

  /** In the order of `found`. Fails with a `FileChangedError` or a `BundleError`. */
  async digest(found: readonly FoundFile[], signal: AbortSignal): Promise<readonly DigestedFile[]> {
    const digested: DigestedFile[] = [];
    const known = new Map<string, string>();
    const pace = pacing(() => realClock.nowMs(), breatheFirst);
    for (const one of found) digested.push(await this.#digest(one, known, pace, signal));
    this.#known = known;
    return digested;
  }

  async #digest(found: FoundFile, known: Map<string, string>, pace: Pace, signal: AbortSignal): Promise<DigestedFile> {
    for (let reads = 0; reads < readsMax; reads++) {
      const digested = await this.#read(found, known, pace, signal).catch((cause: NodeJS.ErrnoException) => {
        if (cause.code === "ENOENT") return undefined;
        if (signal.aborted) throw cause;
        throw new BundleError(`${found.path} cannot be read (${cause.message}); ${leaveOut}`);
      });
      if (digested !== undefined) return digested;
    }
    throw new FileChangedError(found.path);
  }

  /** Undefined: it changed while it was read. */
  async #read({ path, file }: FoundFile, known: Map<string, string>, pace: Pace, signal: AbortSignal): Promise<DigestedFile | undefined> {
    const atMs = this.#wallMs();
    const before = statSync(file, { bigint: true });
    const identity = `${identityOf(before)} ${file}`;
    const sha256 = this.#known.get(identity) ?? (await digestOfContent(file, before, pace, signal));
    if (sha256 === undefined) return undefined;
    if (Number(before.ctimeNs / 1_000_000n) + settledMs < atMs) known.set(identity, sha256);
    return { path, file, executable: (before.mode & 0o111n) !== 0n, sizeBytes: Number(before.size), sha256 };
  }
}

/** The SHA-256 of the file that `before` is. Undefined: it is another, or changed while it was read. */
async function digestOfContent(file: string, before: BigIntStats, pace: Pace, signal: AbortSignal): Promise<string | undefined> {
  const descriptor = openSync(file, "r");
  try {
    const hash = createHash("sha256");
    let bytes = 0;
    const buffer = Buffer.allocUnsafe(Math.min(pieceBytes, Number(before.size) + 1));
    for (;;) {
      await pace();
      signal.throwIfAborted();
      const bytesRead = readSync(descriptor, buffer, 0, buffer.length, null);
      if (bytesRead === 0) break;
      hash.update(buffer.subarray(0, bytesRead));
      bytes += bytesRead;
    }
    const isSame = identityOf(before) === identityOf(fstatSync(descriptor, { bigint: true }));
    return isSame && BigInt(bytes) === before.size ? hash.digest("hex") : undefined;
  } finally {
    closeSync(descriptor);
  }
}

const identityOf = ({ size, mode, mtimeNs, ctimeNs, dev, ino }: BigIntStats): string =>
  `${size} ${mode} ${mtimeNs} ${ctimeNs} ${dev} ${ino}`;
