import { elsewhereOf } from "../core/traffic/load.ts";
import type { Candidate } from "../core/traffic/pick.ts";
import type { Endpoint } from "../core/traffic/route.ts";

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

  /** `reported`: the requests in work of the replica's last report; undefined: it has not reported. */
  constructor(deployment: string, endpoint: Endpoint, reported: number | undefined) {
    this.deployment = deployment;
    this.endpoint = endpoint;
    this.elsewhere = elsewhereOf(reported, 0);
  }

  /** Takes in a load report, at the moment it comes in: what is in work there beyond this gateway's own requests. */
  noteReport(ongoing: number): void {
    this.elsewhere = elsewhereOf(ongoing, this.ongoing);
  }
}
