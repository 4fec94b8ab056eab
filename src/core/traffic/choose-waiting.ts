/** How far into the queue a freed replica looks for a request whose model it holds. */
export const lookMax = 32;
/** How often the first waiting request is passed by later ones at most. */
export const passedMax = 32;

/** A request that waits for a place. */
export interface WaitingRequest {
  /** The model that it needs. Undefined: none. */
  readonly model: string | undefined;
  /** How often a later request was served first. */
  readonly passed: number;
}

/** A replica with room, and the models of all. */
export interface FreedPlace {
  holds(model: string): boolean;
  /** Whether some replica, full or not, holds the model. */
  heldSomewhere(model: string): boolean;
}

/**
 * The waiting request that a replica with room gets. `waiting` is in the order of arrival. The first
 * one, unless its model is held by another replica: then a later one within {@link lookMax} that the
 * replica can serve without loading what another one holds. Without models this is first in, first
 * out. A replica with room never stays idle for the sake of a model, and the first request is passed
 * at most {@link passedMax} times.
 */
export function chooseWaiting<R extends WaitingRequest>(waiting: Iterable<R>, place: FreedPlace): R | undefined {
  let first: R | undefined;
  let looked = 0;
  for (const request of waiting) {
    if (fits(request, place)) return request;
    if (first === undefined && request.passed >= passedMax) return request;
    first ??= request;
    if (++looked === lookMax) break;
  }
  return first;
}

function fits({ model }: WaitingRequest, place: FreedPlace): boolean {
  return model === undefined || place.holds(model) || !place.heldSomewhere(model);
}
