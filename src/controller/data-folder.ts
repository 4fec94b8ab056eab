import { constants } from "node:fs";
import { access, mkdir } from "node:fs/promises";

const anotherFolder = "or name another folder with --data";

/** What to do about an error of the system, by its code. */
const remedies: Readonly<Record<string, string>> = {
  EROFS: `its file system is read-only: make that writable, ${anotherFolder}`,
  EACCES: `this user may not write there: change its owner or its mode, ${anotherFolder}`,
  EPERM: `this user may not write there: change its owner or its mode, ${anotherFolder}`,
  ENOSPC: `its disk is full: make room, ${anotherFolder}`,
  EDQUOT: `this user's share of its disk is used up: make room, ${anotherFolder}`,
  EIO: `its disk is broken: see the log of the system, ${anotherFolder}`,
};

/** Makes the data folder. Fails with the remedy if it cannot be made, or not be written to. */
export async function makeDataFolder(dataDir: string): Promise<void> {
  try {
    await mkdir(dataDir, { recursive: true });
    await access(dataDir, constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw unusable(dataDir, dataDir, cause);
  }
}

/** An error of a file in the data folder, with the remedy; any other error as it is. */
export function withRemedy(dataDir: string, cause: unknown): unknown {
  const { code = "", path, address } = (cause ?? {}) as NodeJS.ErrnoException & { readonly address?: string };
  const place = path ?? address;
  return code in remedies && place?.startsWith(dataDir) ? unusable(dataDir, place, cause) : cause;
}

function unusable(dataDir: string, place: string, cause: unknown): Error {
  const { code = "", message = String(cause) } = (cause ?? {}) as NodeJS.ErrnoException;
  const what = place === dataDir ? `the data folder ${dataDir}` : `${place} in the data folder`;
  return new Error(`${what} cannot be used (${message}): ${remedies[code] ?? "name another folder with --data"}`, { cause });
}
