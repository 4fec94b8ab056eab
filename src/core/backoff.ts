/** The wait before the first retry. */
export const backoffFirstMs = 1_000;
/** The longest wait before a retry, without jitter. */
export const backoffMaxMs = 60_000;
const jitter = 0.2;

/**
 * The wait after `failures` failures in a row (1 or more): 1 s, doubled each time up to 60 s, moved
 * by up to ±20 %. `draw` is uniform in [0, 1).
 */
export function backoffMs(failures: number, draw: number): number {
  const wait = Math.min(backoffFirstMs * 2 ** Math.min(failures - 1, 30), backoffMaxMs);
  return Math.round(wait * (1 + jitter * (2 * draw - 1)));
}
