import { elsewhereOf } from "../core/traffic/load.ts";
import type { ModelCandidate } from "../core/traffic/pick-for-model.ts";
import type { Endpoint } from "../core/traffic/route.ts";
import { HeldModels } from "./held-models.ts";

/** Why a replica gave a request back: it is full, or it cannot be reached (any more). */
export type GivenBack = "busy" | "away";

/** A replica as a place for requests: what the gateway itself knows of it. */
export class Place implements ModelCandidate {
  readonly deployment: string;
  #endpoint: Endpoint;
  readonly #held = new HeldModels();
  /**
   * In the routes. False: the place gets no more requests, and is forgotten when its last one ends.
   */
  routed = true;
  ongoing = 0;
  /** Requests that ended with OK, and requests that ended otherwise. */
  completed = 0;
  failed = 0;
  elsewhere: number;
  /** It gave a request back a moment ago. */
  resting = false;
  /** It gave the last request back because it could not be reached. */
  away = false;
  /** Requests given back in a row. */
  givenBack = 0;
  /** Ends the rest early. */
  endRest: () => void = () => {};

  /** `reported`: the requests in work of the replica's last report. Undefined: no report. */
  constructor(deployment: string, endpoint: Endpoint, reported: number | undefined) {
    this.deployment = deployment;
    this.#endpoint = endpoint;
    this.#held.learn(endpoint);
    this.elsewhere = elsewhereOf(reported, 0);
  }

  get endpoint(): Endpoint {
    return this.#endpoint;
  }

  set endpoint(endpoint: Endpoint) {
    this.#endpoint = endpoint;
    this.#held.learn(endpoint);
  }

  get replicaId(): string {
    return this.#endpoint.replicaId;
  }

  get models(): ReadonlySet<string> {
    return this.#held.names;
  }

  get hasModelRoom(): boolean {
    return this.#held.hasRoom;
  }

  get oldestModelUse(): number {
    return this.#held.oldestUse;
  }

  /**
   * The replica gets a request. `model`: the one that the request needs, if any. `count`: requests
   * given to replicas so far.
   */
  take(model: string | undefined, count: number): void {
    this.ongoing++;
    if (model !== undefined) this.#held.give(model, count);
  }

  /**
   * Records a load report at the moment it comes in: the requests in work that are not this
   * gateway's own.
   */
  noteReport(ongoing: number): void {
    this.elsewhere = elsewhereOf(ongoing, this.ongoing);
    this.#held.noteReport();
  }
}
