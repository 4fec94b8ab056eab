import { type Candidate, elsewhereOf } from "../core/traffic/pick.ts";
import type { Endpoint } from "./endpoints.ts";

/** Why a replica gave a request back undone: it has enough to do, or it is not there (any more). */
export type GivenBack = "busy" | "away";

/** A replica as a place where requests go: what the gateway itself knows of it. */
export class Place implements Candidate {
  readonly deployment: string;
  endpoint: Endpoint;
  /** In the routes; false: it gets nothing more, and is forgotten when its last request ends. */
  routed = true;
  ongoing = 0;
  /** Requests that it ended with OK, and that ended otherwise. */
  completed = 0;
  failed = 0;
  elsewhere: number;
  /** Since it gave a request back, for a moment. */
  resting = false;
  /** It gave the last request back because it was not there. */
  away = false;
  /** Requests given back in a row. */
  givenBack = 0;
  /** Ends the rest before its time. */
  endRest: () => void = () => {};

  constructor(deployment: string, endpoint: Endpoint) {
    this.deployment = deployment;
    this.endpoint = endpoint;
    this.elsewhere = elsewhereOf(endpoint.reportedOngoing, 0);
  }

  /** Takes over what the routes say now. Only a report that differs is taken for a new one. */
  update(endpoint: Endpoint): void {
    if (endpoint.reportedOngoing !== this.endpoint.reportedOngoing) this.elsewhere = elsewhereOf(endpoint.reportedOngoing, this.ongoing);
    this.endpoint = endpoint;
  }
}
