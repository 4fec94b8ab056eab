import { refusal, type StatusError } from "../core/errors.ts";

/** The wait that callers are asked to keep before a retry. */
const retryAfterMs = 1_000;

export function storageFull(): StatusError {
  return refusal("STORAGE_FULL", "the disk of the controller's data folder is full: make room there, and send the files again");
}

/**
 * Does work with the folder of bundles. A full disk is refused with STORAGE_FULL, and whatever else
 * the system does not allow with STORE_UNAVAILABLE.
 */
export async function storing<T>(work: () => Promise<T> | T): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (code === "ENOSPC" || code === "EDQUOT") throw storageFull();
    // An error of the system names its call; any other error is a bug of ours.
    if (code === undefined || syscall === undefined) throw error;
    const text = `the controller cannot use its folder of bundles: ${(error as Error).message}: mend the disk or the folder's permissions, and try again`;
    throw refusal("STORE_UNAVAILABLE", text, { retryAfterMs, metadata: { store: "bundles" } });
  }
}
