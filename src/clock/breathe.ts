let last: Promise<void> = Promise.resolve();

/**
 * Lets everything else of this process go on. Work that would take long awaits this between its
 * parts. However many such works there are, each turn of the event loop runs one part of one.
 */
export function breathe(): Promise<void> {
  last = last.then(breatheFirst);
  return last;
}

/** How long work goes on before it breathes, in milliseconds. */
const workMs = 5;

/** Waits where work is due to breathe; returns undefined where it may go on. */
export type Pace = () => Promise<void> | undefined;

/** As {@link breathe}, for work of the process itself: it does not wait for that of requests. */
export const breatheFirst = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Measures the time since work last breathed, by the milliseconds of `nowMs`. */
export function pacing(nowMs: () => number, breath = breathe): Pace {
  let sinceMs = nowMs();
  const begin = () => {
    sinceMs = nowMs();
  };
  return () => (Math.abs(nowMs() - sinceMs) < workMs ? undefined : breath().then(begin));
}
