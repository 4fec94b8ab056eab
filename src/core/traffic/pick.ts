/** A replica as the pick sees it. */
export interface Candidate {
  /** Requests this gateway has given it and that have not ended: exact at every moment. */
  readonly ongoing: number;
  /** Requests in work there that did not come from this gateway: an estimate, as old as the replica's last report. */
  readonly elsewhere: number;
  /** Refused a request or could not be reached a moment ago: not to be picked. */
  readonly resting: boolean;
}

/**
 * Whether a replica may get no request now.
 *
 * Only the gateway's own count fills a replica. What the replica reports may be an interval old: counted here, a report of 5 from
 * a second ago would keep a replica that is idle by now "full" until the next one. Where others do fill it, the replica refuses,
 * the request goes elsewhere, and the replica rests for a moment.
 */
export function isFull(candidate: Candidate, maxOngoing: number): boolean {
  return candidate.resting || candidate.ongoing >= maxOngoing;
}

/**
 * Of two random replicas the one with less in work. Never one that is full; if both are, the first after a random start that is not;
 * undefined when all are full. `draw1` and `draw2` are uniform in [0, 1).
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

function load(candidate: Candidate): number {
  return candidate.ongoing + candidate.elsewhere;
}
