import type { Clock } from "../clock/clock.ts";
import { refusal } from "../core/errors.ts";
import type { GivenArguments } from "../rpc/values.ts";
import type { CallTerms } from "./goes-along.ts";

/**
 * Arguments of which some are promises, such as calls of other handles, with what these resolve to.
 * Undefined: none is a promise. Rejects with the failure of an argument, and where the call ends
 * before they are there.
 */
export function settled({ positional, named }: GivenArguments, terms: CallTerms, clock: Clock): Promise<GivenArguments> | undefined {
  const given = [...positional, ...Object.values(named)];
  if (!given.some((argument) => argument instanceof Promise)) return undefined;
  const all = Promise.all(given).then((values) => ({
    positional: values.slice(0, positional.length),
    named: Object.fromEntries(Object.keys(named).map((name, index) => [name, values[positional.length + index]])),
  }));
  const result = beforeEnd(all, terms, clock);
  result.catch(() => {}); // a stream may never be read
  return result;
}

function beforeEnd<T>(work: Promise<T>, { endMs, signal }: CallTerms, clock: Clock): Promise<T> {
  return new Promise((resolve, reject) => {
    const leave = () => reject(refusal("CANCELLED", "the call was cancelled"));
    const late = () => reject(refusal("DEADLINE", "the deadline of the call has passed, and an argument is not there yet"));
    const stop = endMs === undefined ? () => {} : clock.after(Math.max(0, endMs - clock.nowMs()), late);
    signal?.addEventListener("abort", leave);
    if (signal?.aborted) leave();
    void work.then(resolve, reject).finally(() => {
      stop();
      signal?.removeEventListener("abort", leave);
    });
  });
}
