import type { Clock, Random } from "../clock/clock.ts";
import type { StatusError } from "../core/errors.ts";
import { chooseWaiting } from "../core/traffic/choose-waiting.ts";
import type { GatewayCounts } from "../core/traffic/load.ts";
import { isFull, pick } from "../core/traffic/pick.ts";
import { pickForModel } from "../core/traffic/pick-for-model.ts";
import type { Endpoint, Route } from "../core/traffic/route.ts";
import { givenUp, noneRuns, notFound, queueFull, shuttingDown } from "./denials.ts";
import { type GivenBack, Place } from "./place.ts";
import { Queue } from "./queue.ts";
import type { Routes } from "./routes.ts";
import type { Visit, Waiter } from "./visit.ts";

/** The bound of a deployment's waiting requests, if the user sets none. */
export const queuedMax = 100_000;
/**
 * How long a request waits while there is no replica, unless its deadline comes first or no replica
 * is expected.
 */
export const noReplicaWaitMs = 30_000;
/** How often one request may be sent to replicas that give it back. */
export const triesMax = 100;
/** How long a replica rests after it gave a request back. Doubled for each time in a row. */
const restFirstMs = 5;
const restMaxMs = 1_000;

/** A deployment, as it is served here. */
interface Lane {
  route: Route;
  places: readonly Place[];
  readonly queue: Queue<Visit>;
  /** Since when no replica can be reached. Undefined: one can be. */
  withoutSinceMs: number | undefined;
  /** A place is being granted, and its request may free it at once. `again`: it did. */
  serving: boolean;
  again: boolean;
  /** Cancels the timer for requests that wait for a first replica. */
  endWatch: (() => void) | undefined;
}

/**
 * Decides which request goes to which replica, and which waits. Invariant: a place never has more
 * than its deployment's `maxOngoingRequests`. While a request waits in a lane, no place there is
 * free.
 */
export class Dispatcher implements GatewayCounts {
  readonly #routes: Routes;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #onGone: (place: Place) => void;
  readonly #onGivenUp: (place: Place) => void;
  readonly #onCold: (deployment: string) => void;
  readonly #lanes = new Map<string, Lane>();
  /** By replica, including replicas that left the routes and still have requests. */
  readonly #places = new Map<string, Place>();
  readonly #unsubscribe: readonly (() => void)[];
  #turns = 0;
  /** Requests given to replicas so far. */
  #granted = 0;
  #closed = false;

  /**
   * `onGone` is called for each place that left the routes, `onGivenUp` for each whose requests in
   * work are lost, `onCold` for each request that comes while its deployment has no replica.
   */
  constructor(options: {
    readonly routes: Routes;
    readonly clock: Clock;
    readonly random: Random;
    readonly onGone: (place: Place) => void;
    readonly onGivenUp?: (place: Place) => void;
    readonly onCold?: (deployment: string) => void;
  }) {
    this.#routes = options.routes;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#onGone = options.onGone;
    this.#onGivenUp = options.onGivenUp ?? (() => {});
    this.#onCold = options.onCold ?? (() => {});
    this.#unsubscribe = [
      options.routes.onChange((deployment) => {
        const lane = this.#lanes.get(deployment);
        if (lane !== undefined) this.#refresh(deployment, lane);
      }),
      options.routes.onReport((replicaId, ongoing) => this.#learnLoad(this.#places.get(replicaId), ongoing)),
    ];
  }

  /**
   * Grants `waiter` a place, or lets it wait for one. `model` is the model that the request needs.
   * Denies it with DEPLOYMENT_NOT_FOUND, QUEUE_FULL (with RetryInfo), NO_REPLICA, REPLICA_BUSY or
   * SHUTTING_DOWN.
   */
  enter(deployment: string, waiter: Waiter, model?: string): Visit {
    const visit: Visit = {
      deployment,
      waiter,
      model,
      turn: this.#turns++,
      enteredMs: this.#clock.nowMs(),
      cold: false,
      tries: 0,
      passed: 0,
      ticket: undefined,
    };
    const lane = this.#lane(deployment);
    if (this.#closed) waiter.denied(shuttingDown());
    else if (lane === undefined) waiter.denied(notFound(deployment));
    else this.#admit(lane, visit);
    return visit;
  }

  /** The request no longer waits. */
  leave(visit: Visit): void {
    const lane = this.#lanes.get(visit.deployment);
    if (visit.ticket !== undefined) lane?.queue.remove(visit.ticket);
    visit.ticket = undefined;
  }

  /** The request at `place` has ended: the place is for the next. */
  release(place: Place): void {
    place.ongoing--;
    const rested = place.resting;
    if (!place.away) this.#endRest(place);
    const lane = this.#lanes.get(place.deployment);
    if (!place.routed) this.#forgetIfIdle(place);
    else if (lane !== undefined && !isFull(place, lane.route.maxOngoingRequests)) {
      // A replica whose rest ends has room for more than one request: for all that it gave back.
      this.#serve(lane, rested ? undefined : place);
    }
  }

  /** The replica accepted a request: it can be reached, and has room. */
  accepted(place: Place): void {
    if (place.givenBack === 0) return;
    place.givenBack = 0;
    place.away = false;
    this.#endRest(place);
    const lane = this.#lanes.get(place.deployment);
    if (lane === undefined || !place.routed) return;
    this.#watch(lane);
    this.#serve(lane);
  }

  /**
   * The replica did not do the request. The replica rests for a moment, and the request is
   * dispatched again with its old turn. Without `visit` the request is not tried again.
   */
  giveBack(place: Place, why: GivenBack, visit: Visit | undefined): void {
    place.ongoing--;
    this.#rest(place, why);
    if (!place.routed) this.#forgetIfIdle(place);
    if (visit === undefined) return;
    const lane = this.#lanes.get(visit.deployment);
    visit.tries++;
    if (this.#closed) visit.waiter.denied(shuttingDown());
    else if (lane === undefined) visit.waiter.denied(notFound(visit.deployment));
    else if (visit.tries >= triesMax) visit.waiter.denied(givenUp(why, visit.deployment));
    else {
      visit.ticket = lane.queue.put(visit, visit.turn);
      this.#watch(lane);
      this.#serve(lane);
    }
  }

  /**
   * The connection to the replica was lost. Its requests are released separately. The replica rests
   * before it is tried again.
   */
  lost(place: Place): void {
    this.#rest(place, "away");
    const lane = this.#lanes.get(place.deployment);
    if (lane !== undefined) this.#watch(lane);
  }

  queued(deployment: string): number {
    return this.#lanes.get(deployment)?.queue.size ?? 0;
  }

  ongoing(replicaId: string): number {
    return this.#places.get(replicaId)?.ongoing ?? 0;
  }

  ended(replicaId: string): { readonly completed: number; readonly failed: number } {
    const { completed = 0, failed = 0 } = this.#places.get(replicaId) ?? {};
    return { completed, failed };
  }

  /** Denies all waiting and all later requests. */
  close(): void {
    this.#closed = true;
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    for (const lane of this.#lanes.values()) {
      lane.endWatch?.();
      denyAll(lane.queue, shuttingDown());
      for (const place of lane.places) this.#endRest(place);
    }
  }

  #lane(deployment: string): Lane | undefined {
    const known = this.#lanes.get(deployment);
    if (known !== undefined || this.#closed) return known;
    const route = this.#routes.get(deployment);
    if (route === undefined) return undefined;
    const lane: Lane = {
      route,
      places: [],
      queue: new Queue(),
      serving: false,
      again: false,
      withoutSinceMs: undefined,
      endWatch: undefined,
    };
    this.#lanes.set(deployment, lane);
    this.#refresh(deployment, lane);
    return lane;
  }

  #admit(lane: Lane, visit: Visit): void {
    const place = lane.queue.size > 0 ? undefined : this.#pick(lane, visit.model);
    const { maxQueuedRequests } = lane.route;
    if (place !== undefined) this.#grant(place, visit);
    else if (lane.queue.size >= (maxQueuedRequests ?? queuedMax)) {
      visit.waiter.denied(queueFull(visit.deployment, lane.queue.size, this.#random.next()));
    } else {
      visit.ticket = lane.queue.put(visit, visit.turn);
      visit.cold = lane.places.length === 0;
      if (visit.cold) this.#onCold(visit.deployment);
      if (lane.withoutSinceMs !== undefined) this.#watch(lane);
    }
  }

  #pick({ places, route: { maxOngoingRequests } }: Lane, model: string | undefined): Place | undefined {
    const draws = [this.#random.next(), this.#random.next()] as const;
    return model === undefined ? pick(places, maxOngoingRequests, ...draws) : pickForModel(places, maxOngoingRequests, model, ...draws);
  }

  #grant(place: Place, visit: Visit): void {
    visit.ticket = undefined;
    place.take(visit.model, ++this.#granted);
    visit.waiter.granted(visit, place);
  }

  /** Grants the place to the waiting request that it suits: the first, unless models decide. */
  #grantNext({ queue, places }: Lane, place: Place): void {
    const first = queue.first?.value;
    const visit = chooseWaiting(queue, {
      holds: (model) => place.models.has(model),
      heldSomewhere: (model) => places.some(({ models }) => models.has(model)),
    });
    if (first === undefined || visit?.ticket === undefined) return;
    if (visit !== first) first.passed++;
    queue.remove(visit.ticket);
    this.#grant(place, visit);
  }

  /**
   * Serves waiting requests. With `freed`, serves only the first, unless that frees more places.
   * Nested calls leave the work to the outermost one.
   */
  #serve(lane: Lane, freed?: Place): void {
    lane.again = freed === undefined || lane.serving;
    if (lane.serving) return;
    lane.serving = true;
    try {
      if (freed !== undefined) this.#grantNext(lane, freed);
      while (lane.again && lane.queue.size > 0) {
        const place = this.#pick(lane, lane.queue.first?.value.model);
        if (place === undefined) break;
        this.#grantNext(lane, place);
      }
    } finally {
      lane.serving = false;
    }
  }

  /** Takes over the present route of the deployment. */
  #refresh(deployment: string, lane: Lane): void {
    const route = this.#routes.get(deployment);
    const before = lane.places;
    if (route !== undefined) lane.route = route;
    lane.places = route?.endpoints.map((endpoint) => this.#placeOf(deployment, endpoint)) ?? [];
    const stay = new Set(lane.places);
    for (const place of before) if (!stay.has(place)) this.#drop(place);
    for (const place of route?.givenUp?.map((id) => this.#places.get(id)) ?? []) if (place !== undefined) this.#onGivenUp(place);
    if (route === undefined) {
      this.#lanes.delete(deployment);
      lane.endWatch?.();
      denyAll(lane.queue, notFound(deployment));
      return;
    }
    // The time that a request may wait may have changed.
    lane.endWatch?.();
    lane.endWatch = undefined;
    this.#watch(lane);
    this.#serve(lane);
  }

  #placeOf(deployment: string, endpoint: Endpoint): Place {
    const known = this.#places.get(endpoint.replicaId);
    if (known !== undefined && known.endpoint.address === endpoint.address) {
      known.endpoint = endpoint;
      known.routed = true;
      return known;
    }
    const place = new Place(deployment, endpoint, this.#routes.reported(endpoint.replicaId));
    this.#places.set(endpoint.replicaId, place);
    return place;
  }

  #drop(place: Place): void {
    place.routed = false;
    this.#endRest(place);
    this.#onGone(place);
    this.#forgetIfIdle(place);
  }

  #forgetIfIdle(place: Place): void {
    const { replicaId } = place.endpoint;
    if (place.ongoing === 0 && this.#places.get(replicaId) === place) this.#places.delete(replicaId);
  }

  /** A report that shows room ends the rest of a replica that was full: others have left it. */
  #learnLoad(place: Place | undefined, ongoing: number): void {
    place?.noteReport(ongoing);
    const lane = place && this.#lanes.get(place.deployment);
    if (!place?.resting || place.away || lane === undefined || ongoing >= lane.route.maxOngoingRequests) return;
    this.#endRest(place);
    this.#serve(lane);
  }

  #rest(place: Place, why: GivenBack): void {
    place.away = why === "away";
    if (!place.routed || this.#closed || place.resting) return; // requests given back together count once
    const ms = Math.min(restFirstMs * 2 ** Math.min(place.givenBack++, 10), restMaxMs);
    place.resting = true;
    place.endRest = this.#clock.after(ms, () => {
      place.resting = false;
      const lane = this.#lanes.get(place.deployment);
      if (lane !== undefined) this.#serve(lane);
    });
  }

  #endRest(place: Place): void {
    if (!place.resting) return;
    place.endRest();
    place.resting = false;
  }

  /** Makes sure that no request waits longer than allowed for a first replica. */
  #watch(lane: Lane): void {
    if (lane.places.some((place) => !place.away)) {
      lane.withoutSinceMs = undefined;
      lane.endWatch?.();
      lane.endWatch = undefined;
      return;
    }
    const nowMs = this.#clock.nowMs();
    lane.withoutSinceMs ??= nowMs;
    const first = lane.queue.first?.value;
    if (first === undefined || lane.endWatch !== undefined) return;
    const dueMs = Math.max(first.enteredMs, lane.withoutSinceMs) + waitMs(lane.route);
    lane.endWatch = this.#clock.after(Math.max(0, dueMs - nowMs), () => {
      lane.endWatch = undefined;
      this.#expire(lane);
      this.#watch(lane);
    });
  }

  #expire(lane: Lane): void {
    const enteredMaxMs = this.#clock.nowMs() - waitMs(lane.route);
    if (lane.withoutSinceMs === undefined || lane.withoutSinceMs > enteredMaxMs) return;
    for (let first = lane.queue.first; first !== undefined && first.value.enteredMs <= enteredMaxMs; first = lane.queue.first) {
      lane.queue.shift();
      first.value.ticket = undefined;
      const { waiter, deployment } = first.value;
      waiter.denied(
        lane.route.noReplicaExpected === undefined ? givenUp("away", deployment) : noneRuns(deployment, lane.route.noReplicaExpected),
      );
    }
  }
}

/**
 * How long a request may wait while there is no replica. If a first replica is expected, this is at
 * least the time that its start may take.
 */
function waitMs({ coldStartMs, noReplicaExpected }: Route): number {
  if (coldStartMs !== undefined) return Math.max(noReplicaWaitMs, coldStartMs);
  return noReplicaExpected === undefined ? noReplicaWaitMs : 0;
}

function denyAll(queue: Queue<Visit>, error: StatusError): void {
  for (let visit = queue.shift(); visit !== undefined; visit = queue.shift()) {
    visit.ticket = undefined;
    visit.waiter.denied(error);
  }
}
