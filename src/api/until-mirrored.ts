import type { Clock } from "../clock/clock.ts";
import type { Mirror } from "../store/mirror.ts";

/** Reads the mirror now and at each event, until there is a result; undefined: none within `waitMs`, or the signal aborted. */
export async function untilMirrored<T>(
  mirror: Mirror,
  clock: Clock,
  waitMs: number,
  signal: AbortSignal,
  read: () => T | undefined,
): Promise<T | undefined> {
  const done = new AbortController();
  let result: T | undefined;
  const look = () => {
    result ??= read();
    if (result !== undefined) done.abort("done");
  };
  const unsubscribe = mirror.subscribe(look);
  try {
    look();
    await clock.sleep(waitMs, AbortSignal.any([signal, done.signal]));
    return result;
  } finally {
    unsubscribe();
  }
}
