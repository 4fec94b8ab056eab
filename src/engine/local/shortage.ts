import { StatusError } from "../../core/errors.ts";
import { ShortageError } from "../engine.ts";

/** What the system answers when it has no room, no more files, memory or processes to give. */
const shortages: ReadonlySet<unknown> = new Set(["ENOSPC", "EDQUOT", "EROFS", "EIO", "EMFILE", "ENFILE", "EAGAIN", "ENOMEM"]);

/** Whether the machine is the cause of an error: itself, or the error that led to it. */
export function isShortage(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  // A bundle cannot be read now: the program is not the cause.
  if (error instanceof StatusError && error.reason === "STORE_UNAVAILABLE") return true;
  return shortages.has((error as NodeJS.ErrnoException).code) || isShortage(error.cause);
}

/** The error as `Engine.start` reports it. */
export function startError(error: unknown): unknown {
  return isShortage(error) ? new ShortageError(error instanceof Error ? error.message : String(error), { cause: error }) : error;
}
