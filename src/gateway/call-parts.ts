import type { Clock } from "../clock/clock.ts";
import type { StatusError } from "../core/errors.ts";
import type { Log } from "../log/log.ts";
import type { CallObserver } from "./call-observer.ts";
import type { OpenCall } from "./closing.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { Door } from "./door.ts";
import type { KeptPool } from "./kept-request.ts";
import type { Place } from "./place.ts";
import type { Routes } from "./routes.ts";
import { shieldOf } from "./shield.ts";
import type { CallerEvents, ReplicaConnection, ReplicaEvents } from "./sides.ts";
import type { Unread } from "./unread.ts";
import type { Waiter } from "./visit.ts";

/** What all calls of a gateway share. */
export interface CallParts {
  readonly routes: Routes;
  readonly dispatcher: Dispatcher;
  readonly door: Door;
  readonly observer: CallObserver | undefined;
  readonly clock: Clock;
  readonly log: Log;
  readonly keptPool: KeptPool;
  readonly unread: Unread;
  /** The calls that are not over. Each call adds and removes itself. */
  readonly calls: Set<OpenCall>;
  connectionTo(place: Place): ReplicaConnection;
  /** The connection to the gateway's own services. */
  ownConnection(): ReplicaConnection;
}

/** All events of a call: from its two sides, the dispatcher, its timer and its peek. */
export interface CallEvents extends Waiter, CallerEvents, ReplicaEvents {
  named(result: string | StatusError): void;
  expired(): void;
}

/** Receives the events of a call, and lets none of them throw. */
export const CallShield = shieldOf<CallEvents>([
  ...(["granted", "denied", "named", "expired"] as const),
  ...(["requestData", "requestEnd", "callerReady", "callerGone"] as const),
  ...(["response", "responseData", "responseTrailers", "responseEnd", "replicaReady", "replicaGone"] as const),
]);
