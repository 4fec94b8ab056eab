import type { StatusError } from "../core/errors.ts";
import type { Arrival } from "./door.ts";
import type { GivenBack } from "./place.ts";

/** A call, as an observer sees it. The same object from the first event to the last. */
export interface ObservedCall extends Arrival {
  /** When the call's headers came, by the gateway's clock. */
  readonly startedMs: number;
  /** Undefined until it is known, and for calls to the gateway's own services. */
  readonly deployment: string | undefined;
}

/** How a call ended, from the gateway's point of view. */
export type CallEnd =
  /** The replica answered in full. `status` is its gRPC status; 2 (UNKNOWN) if it sent none. */
  | { readonly kind: "answered"; readonly status: number }
  /** The gateway answered with this error, or broke off the replica's answer with it. */
  | { readonly kind: "failed"; readonly error: StatusError }
  /** The replica reset the call with this error code of HTTP/2. */
  | { readonly kind: "reset"; readonly code: number }
  /** The caller left before the end. */
  | { readonly kind: "left" };

/**
 * Sees what becomes of each gRPC call: the place for a histogram of latencies, or for traces. A
 * gateway has none by default. Methods are called on the way of the call: they return soon and
 * never throw.
 *
 * Order: `admitted`, then any number of `queued`, `given` and `givenBack`, at most one `answered`,
 * and last exactly one `ended`. A call that the door refused has `ended` alone.
 */
export interface CallObserver {
  /** The door let the call in. */
  admitted(call: ObservedCall): void;
  /** No replica has room: the call waits for one. Also after a replica gave it back. */
  queued(call: ObservedCall): void;
  /**
   * The request was sent to this replica. Calls to the gateway's own services are given to none.
   */
  given(call: ObservedCall, replicaId: string): void;
  /** The replica did nothing about the request. The call is queued or given again, or ends. */
  givenBack(call: ObservedCall, replicaId: string, why: GivenBack): void;
  /** The headers of the replica's response are on their way to the caller. */
  answered(call: ObservedCall): void;
  /** The gateway is done with the call. Bytes may still be on their way to the caller. */
  ended(call: ObservedCall, end: CallEnd): void;
}
