import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Why this process can never reach a replica. `anotherMachine`: the replica listens at a unix
 * socket in a folder that is not here. `notAllowed`: the socket is another user's.
 */
export type OutOfReach = "anotherMachine" | "notAllowed";

/** Undefined: the replica may just be starting or ending. */
export async function outOfReach(address: string): Promise<OutOfReach | undefined> {
  const [, path] = /^unix:(?:\/\/)?(.+)$/.exec(address) ?? [];
  if (path === undefined) return undefined;
  const folder = await faultOf(stat(dirname(path)));
  if (folder === "ENOENT" || folder === "ENOTDIR") return "anotherMachine";
  const socket = folder ?? (await faultOf(access(path, constants.W_OK)));
  return socket === "EACCES" || socket === "EPERM" ? "notAllowed" : undefined;
}

/** The code of the system's error; undefined: there is none. */
function faultOf(call: Promise<unknown>): Promise<string | undefined> {
  return call.then(
    () => undefined,
    ({ code }: NodeJS.ErrnoException) => code,
  );
}
