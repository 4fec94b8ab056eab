import { createHash } from "node:crypto";
import { lstat, mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";

/** The system's limit on a socket's path is 104 to 108 bytes. */
const pathBytesMax = 100;
/** What fits below any folder for temporary files. */
const nameBytesMax = 32;

/** Where the socket of the data folder that should be at `path` is: there, if that is short enough, else below the system's folder for temporary files. */
export function socketPath(dataDir: string, path: string): string {
  if (Buffer.byteLength(path) <= pathBytesMax) return path;
  const name = basename(path);
  return join(tmpdir(), `drover-${digest(dataDir)}`, Buffer.byteLength(name) <= nameBytesMax ? name : `${digest(name)}.sock`);
}

/** Makes the folder of a socket, for this user only. Fails if it is somebody else's: others may write to the folder for temporary files. */
export async function prepareSocketFolder(path: string): Promise<void> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const { uid } = await lstat(folder);
  if (uid !== process.getuid?.()) throw new Error(`the folder ${folder} belongs to another user: sockets cannot be made there safely`);
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}
