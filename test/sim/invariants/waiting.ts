import type { Verdict } from "./facts.ts";

/** A gateway's replica, as it is without the gateway's own view of room. */
export interface SeenPlace {
  readonly replicaId: string;
  /** Requests that the gateway gave it and that have not ended. */
  readonly ongoing: number;
  /** Whether it gave a request back, or was lost, so short a time ago that it may rest. */
  readonly mayRest: boolean;
}

/** I14. While a request waits at a gateway, for whichever model, no replica of its routes has room. */
export function noneWaitsBesideRoom(waiting: string, places: readonly SeenPlace[], maxOngoing: number): Verdict {
  const idle = places.find(({ ongoing, mayRest }) => ongoing < maxOngoing && !mayRest);
  return idle && { invariant: "I14", text: `${waiting} waits, and ${idle.replicaId} has ${idle.ongoing} of ${maxOngoing} requests` };
}

/** I14. A gateway gives no replica more than its deployment's `max_ongoing_requests`. */
export function noneIsOverfull({ replicaId, ongoing }: Omit<SeenPlace, "mayRest">, maxOngoing: number): Verdict {
  return ongoing <= maxOngoing ? undefined : { invariant: "I14", text: `${replicaId} got request ${ongoing} of at most ${maxOngoing}` };
}
