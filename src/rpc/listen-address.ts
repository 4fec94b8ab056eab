import { lstat, unlink } from "node:fs/promises";
import { connect } from "node:net";

/** The longest path a unix socket can have, in bytes (Linux: 108 with the final zero). */
export const socketPathBytesMax = 107;

/**
 * Removes a socket file at `address` at which no process listens any more.
 * Throws an Error that says what to change if the address is taken or impossible.
 */
export async function clearAddress(address: string): Promise<void> {
  if (!address.startsWith("unix:")) return;
  const path = socketPath(address);
  if (Buffer.byteLength(path) > socketPathBytesMax) {
    throw new Error(`cannot listen at ${address}: a socket's path has at most ${socketPathBytesMax} bytes`);
  }
  const stat = await lstat(path).catch(() => undefined);
  if (stat === undefined) return;
  if (!stat.isSocket()) throw new Error(`cannot listen at ${address}: there is a file that is not a socket`);
  if (await answers(path)) throw new Error(`cannot listen at ${address}: another process listens there`);
  await unlink(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  });
}

/** The path in `unix:/path`, `unix:path` or `unix:///path`, the forms that gRPC knows. */
function socketPath(address: string): string {
  const path = address.slice("unix:".length);
  return path.startsWith("//") ? path.slice(2) : path;
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}
