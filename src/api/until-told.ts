import type { Clock } from "../clock/clock.ts";
import type { Mirror } from "../store/mirror.ts";

/** Waits until `is` holds of the mirror; false: it did not within `waitMs`, or the signal aborted. */
export async function untilTold(mirror: Mirror, clock: Clock, waitMs: number, signal: AbortSignal, is: () => boolean): Promise<boolean> {
  const told = new AbortController();
  const look = () => {
    if (is()) told.abort("told");
  };
  const unsubscribe = mirror.subscribe(look);
  try {
    look();
    await clock.sleep(waitMs, AbortSignal.any([signal, told.signal]));
    return is();
  } finally {
    unsubscribe();
  }
}
