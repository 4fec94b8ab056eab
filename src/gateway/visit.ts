import type { StatusError } from "../core/errors.ts";
import type { Place } from "./place.ts";
import type { Ticket } from "./queue.ts";

/**
 * A request that wants a place at a replica. Whatever relays bytes implements this; the dispatcher
 * knows nothing of bytes.
 */
export interface Waiter {
  /**
   * The request has a place, and must free it by `release` or `giveBack`. May be called within
   * `enter`.
   */
  granted(visit: Visit, place: Place): void;
  /** The request gets no place. May be called within `enter`. */
  denied(error: StatusError): void;
}

/** One request's stay at the dispatcher. */
export interface Visit {
  readonly deployment: string;
  readonly waiter: Waiter;
  /** The model that the request needs. Undefined: none. */
  readonly model: string | undefined;
  readonly turn: number;
  readonly enteredMs: number;
  /** Whether there was no replica when it came. */
  cold: boolean;
  tries: number;
  /** How often a later request of its lane was served first, because its model was at hand. */
  passed: number;
  ticket: Ticket<Visit> | undefined;
}
