import { execFile } from "node:child_process";
import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

/**
 * What a command line begins with so that `folder` is a disk of 64 MiB of its own for that process,
 * and for nobody else. It needs no root where users may make namespaces.
 */
export function onSmallDisk(folder: string, mode: "rw" | "ro" = "rw"): readonly string[] {
  const mounts = `mkdir -p "$0" && mount -t tmpfs -o size=64m,${mode} none "$0" && exec "$@"`;
  return ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mounts, folder];
}

/** Why there can be no small disk here; undefined: there can. */
export async function noSmallDisk(): Promise<string | undefined> {
  const [command = "", ...args] = [...onSmallDisk(join(tmpdir(), "drover-small-disk")), "true"];
  return promisify(execFile)(command, args).then(
    () => undefined,
    (error: Error) => error.message.split("\n").slice(0, 2).join(": "),
  );
}

/** The path of a file as the process sees it. */
export const seenBy = (pid: number, path: string): string => `/proc/${pid}/root${path}`;

/** Fills the disk of a folder to the last byte; the result makes room again. */
export function fillDisk(folder: string): () => void {
  const path = join(folder, "filler");
  const file = openSync(path, "w");
  try {
    for (let size = 1 << 20; size > 0; size = size >> 1) for (;;) if (!wrote(file, size)) break;
  } finally {
    closeSync(file);
  }
  return () => rmSync(path);
}

function wrote(file: number, size: number): boolean {
  try {
    return writeSync(file, Buffer.alloc(size, 1)) === size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
    return false;
  }
}
