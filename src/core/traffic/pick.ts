import { totalLoad } from "./load.ts";

/** A replica, as seen by the pick. */
export interface Candidate {
  /** Requests in work that this gateway sent: exact at every moment. */
  readonly ongoing: number;
  /**
   * Requests in work that did not come from this gateway: an estimate, as old as the replica's last
   * report.
   */
  readonly elsewhere: number;
  /** The replica refused a request or could not be reached a moment ago: it is not picked. */
  readonly resting: boolean;
}

/**
 * Whether a replica gets no request now.
 *
 * Only the gateway's own count makes a replica full. A replica's report may be one interval old: if
 * it counted, a report of 5 from a second ago would keep an idle replica "full" until the next one.
 * If other callers fill a replica, it refuses, the request goes to another one, and the replica
 * rests for a moment.
 */
export function isFull(candidate: Candidate, maxOngoing: number): boolean {
  return candidate.resting || candidate.ongoing >= maxOngoing;
}

/**
 * The less loaded of two random replicas, and never a full one. If both are full: the first one
 * after a random start that is not. Undefined: all are full. `draw1` and `draw2` are uniform in [0,
 * 1).
 */
export function pick<C extends Candidate>(candidates: readonly C[], maxOngoing: number, draw1: number, draw2: number): C | undefined {
  const count = candidates.length;
  const start = Math.floor(draw1 * count);
  const one = candidates[start];
  if (one === undefined) return undefined;
  if (count === 1) return isFull(one, maxOngoing) ? undefined : one;
  const other = candidates[(start + 1 + Math.floor(draw2 * (count - 1))) % count] as C; // never `one` again
  const oneFull = isFull(one, maxOngoing);
  const otherFull = isFull(other, maxOngoing);
  if (!oneFull && !otherFull) return load(other) < load(one) ? other : one;
  if (!oneFull) return one;
  if (!otherFull) return other;
  for (let step = 1; step < count; step++) {
    const next = candidates[(start + step) % count] as C;
    if (!isFull(next, maxOngoing)) return next;
  }
  return undefined;
}

const load = ({ ongoing, elsewhere }: Candidate): number => totalLoad(ongoing, elsewhere);
