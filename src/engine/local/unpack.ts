import { chmod, mkdir, open, statfs } from "node:fs/promises";
import { join } from "node:path";
import type { BundleFile, BundleReader } from "../../core/bundle.ts";
import { reservedBytes } from "../../core/disk-room.ts";
import { formatBytes } from "../../core/resources.ts";
import { foldersOf } from "./folder-seal.ts";

/** Files that are written at the same time. */
const filesAtOnce = 8;
/** The least room that a file or a folder takes on a disk. */
const blockBytes = 4_096;

/** Why a bundle cannot be unpacked. */
export class UnpackError extends Error {
  override readonly name = "UnpackError";
}

export interface Unpacking {
  readonly digest: string;
  readonly files: readonly BundleFile[];
  /** An empty folder, which gets the files. */
  readonly folder: string;
  readonly reader: Pick<BundleReader, "readFile">;
}

/**
 * Writes the files of a bundle into a folder that nobody may write to afterwards. Fails with an
 * `UnpackError` if a file cannot be read, and with the system's error.
 */
export async function unpack(unpacking: Unpacking, signal: AbortSignal): Promise<void> {
  const { files, folder } = unpacking;
  await expectRoom(unpacking);
  const folders = foldersOf(files);
  for (const path of folders) await mkdir(join(folder, path), { mode: 0o700 });
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  const left = files.values();
  const worker = async () => {
    try {
      for (const file of left) await writeOne(unpacking, file, either);
    } catch (cause) {
      failed.abort(cause); // the others need not go on
      throw cause;
    }
  };
  const workers = Array.from({ length: filesAtOnce }, worker);
  await Promise.allSettled(workers); // all are over before the folder is removed
  await Promise.all(workers);
  for (const path of folders.toReversed()) await chmod(join(folder, path), 0o555);
  await chmod(folder, 0o555);
}

/** What Drover keeps of the disk for itself stays free. */
async function expectRoom({ digest, files, folder }: Unpacking): Promise<void> {
  const { bavail, bsize, blocks } = await statfs(folder);
  const wantedBytes = files.reduce((sum, { sizeBytes }) => sum + Math.ceil(sizeBytes / blockBytes) * blockBytes, 0);
  const freeBytes = Math.max(0, bavail * bsize - reservedBytes(blocks * bsize));
  if (wantedBytes <= freeBytes) return;
  const why = `bundle ${digest} needs ${formatBytes(wantedBytes)} on the disk of the data folder, where ${formatBytes(freeBytes)} are free`;
  throw Object.assign(new Error(`${why}: make room there`), { code: "ENOSPC" });
}

async function writeOne(unpacking: Unpacking, file: BundleFile, signal: AbortSignal): Promise<void> {
  const output = await open(join(unpacking.folder, file.path), "wx", file.executable ? 0o555 : 0o444); // it is written to all the same
  try {
    for await (const data of read(unpacking, file, signal)) await output.writeFile(data);
  } finally {
    await output.close();
  }
}

async function* read({ digest, reader }: Unpacking, { path, sha256 }: BundleFile, signal: AbortSignal): AsyncIterable<Uint8Array> {
  try {
    yield* reader.readFile(sha256, signal);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new UnpackError(`file ${JSON.stringify(path)} of bundle ${digest} could not be read where the controller keeps it: ${why}`, {
      cause,
    });
  }
}
