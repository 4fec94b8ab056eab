import type { Clock } from "../clock/clock.ts";
import type { Mirror } from "../store/mirror.ts";

/**
 * Calls `read` now and at each event of the mirror, until it returns a result. Undefined: none
 * within `waitMs`, or the signal aborted.
 */
export async function untilMirrored<T>(
  mirror: Mirror,
  clock: Clock,
  waitMs: number,
  signal: AbortSignal,
  read: () => T | undefined,
): Promise<T | undefined> {
  const done = new AbortController();
  let result: T | undefined;
  const check = () => {
    result ??= read();
    if (result !== undefined) done.abort("done");
  };
  const unsubscribe = mirror.subscribe(check);
  try {
    check();
    await clock.sleep(waitMs, AbortSignal.any([signal, done.signal]));
    return result;
  } finally {
    unsubscribe();
  }
}
