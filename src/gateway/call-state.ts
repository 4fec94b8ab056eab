import type { Peek } from "./grpc/peek.ts";
import type { Place } from "./place.ts";
import type { HeaderFields, ReplicaSide } from "./sides.ts";
import type { Visit } from "./visit.ts";

/**
 * Where a call is on its way. Each state holds what it has to give up when it is left; `Call`
 * changes states in one place.
 */
export type CallState = Arrived | Naming | Waiting | Sent | Answering | Finishing | Over;

/**
 * Only the headers of the call are known. None of its bytes are read, and no timer runs for it.
 *
 * Next: `over` if the call is refused by its headers or by the door; `naming` for an Invoke;
 * `waiting` if the headers say which deployment it is for; `sent` if it is for the gateway's own
 * services.
 */
export interface Arrived {
  readonly name: "arrived";
}

/**
 * An Invoke whose first message is being read, because that message names the deployment. Bytes are
 * read and kept, and go nowhere yet. The timer is set to the deadline, or to the time that a first
 * message may take.
 *
 * Next: `waiting` when the deployment is known; `over` if the message names none, or the time is
 * up, or the caller leaves.
 */
export interface Naming {
  readonly name: "naming";
  readonly peek: Peek;
}

/**
 * The call is at the dispatcher, and no replica has it. It holds no place. The caller's bytes are
 * stopped; what was read of them is kept. A call comes here at first, and again each time that a
 * replica gives it back.
 *
 * Next: `sent` when the dispatcher grants a place; `over` if it denies one, or the time is up, or
 * the caller leaves.
 */
export interface Waiting {
  readonly name: "waiting";
  /** The stay at the dispatcher; undefined while `Dispatcher.enter` runs. */
  readonly visit: Visit | undefined;
}

/**
 * A replica has the request and has not answered. The place is taken. Request bytes go to the
 * replica as they come, and are kept.
 *
 * Next: `answering` when the response's headers come; `waiting` if the replica did nothing about
 * the request and all of it is kept; `over` if the response is all in its headers, or the request
 * cannot be sent again, or the time is up, or a side is gone.
 */
export interface Sent {
  readonly name: "sent";
  readonly replica: ReplicaSide;
  /** Undefined, as is `visit`, for the gateway's own services: they are not dispatched to. */
  readonly place: Place | undefined;
  readonly visit: Visit | undefined;
}

/**
 * The caller has the response's headers. The place is still taken. Bytes go both ways as they come;
 * none are kept any more, for a request that was answered is not sent again.
 *
 * Next: `finishing` when the trailers come; `over` if the response ends without trailers, or the
 * time is up, or a side is gone.
 */
export interface Answering {
  readonly name: "answering";
  readonly replica: ReplicaSide;
  readonly place: Place | undefined;
}

/**
 * The replica is done: its trailers are here, and the place is free again. Response bytes before
 * the trailers may still be on their way.
 *
 * Next: `over` when the last byte has come, and the trailers go to the caller; or if the time is
 * up, or a side is gone.
 */
export interface Finishing {
  readonly name: "finishing";
  readonly replica: ReplicaSide;
  /** Free again: it names the replica, for an error. */
  readonly place: Place | undefined;
  readonly trailers: HeaderFields;
}

/**
 * The end of the call is decided. It holds nothing, no timer runs, and whatever comes now is
 * dropped. Next: nothing.
 */
export interface Over {
  readonly name: "over";
}

export const arrived: Arrived = { name: "arrived" };
/** While `Dispatcher.enter` runs. */
export const entering: Waiting = { name: "waiting", visit: undefined };
export const over: Over = { name: "over" };

/** Whether a replica has the request. */
export function isAtReplica(state: CallState): state is Sent | Answering | Finishing {
  return state.name === "sent" || state.name === "answering" || state.name === "finishing";
}
