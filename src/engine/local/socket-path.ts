import { createHash } from "node:crypto";
import { lstat, mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";

/** Below the system's limit on a socket's path, which is 104 to 108 bytes. */
const pathBytesMax = 100;
/** The longest name that fits in any folder for temporary files. */
const nameBytesMax = 32;

/**
 * `path` itself if it is short enough, else a path in the system's folder for temporary files that
 * depends on `dataDir`.
 */
export function socketPath(dataDir: string, path: string): string {
  if (Buffer.byteLength(path) <= pathBytesMax) return path;
  const name = basename(path);
  return join(tmpdir(), `drover-${digest(dataDir)}`, Buffer.byteLength(name) <= nameBytesMax ? name : `${digest(name)}.sock`);
}

/**
 * Makes the folder of a socket, for this user only. Fails if another user owns it, as can happen in
 * a shared temporary folder.
 */
export async function prepareSocketFolder(path: string): Promise<void> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const { uid } = await lstat(folder);
  if (uid !== process.getuid?.()) throw new Error(`the folder ${folder} belongs to another user: sockets cannot be made there safely`);
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}
