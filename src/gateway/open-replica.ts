import { invalid, refusal, type StatusError } from "../core/errors.ts";
import { internalText } from "../rpc/status.ts";
import { formatTimeout } from "../rpc/timeout.ts";
import type { CallParts } from "./call-parts.ts";
import { notInvocable } from "./denials.ts";
import { timeoutHeader } from "./grpc/headers.ts";
import type { Place } from "./place.ts";
import type { HeaderFields, ReplicaConnection, ReplicaEvents, ReplicaSide } from "./sides.ts";

/** The request of a call, as a replica gets it. */
export interface OpeningRequest {
  /** The time that is left until the deadline is written into them. */
  readonly headers: HeaderFields;
  /** Infinity: there is none. */
  readonly deadlineMs: number;
  /** The replica has to serve `drover.v1.InvokeService`. */
  readonly invoke: boolean;
  readonly events: ReplicaEvents;
}

/** Opens the request at the replica of this place. Returns the error of the call if that is not possible. */
export function openReplica(place: Place, request: OpeningRequest, parts: CallParts): ReplicaSide | StatusError {
  if (request.invoke && !place.endpoint.invocable) return notInvocable(place.deployment);
  try {
    return openOn(parts.connectionTo(place), request, parts.clock.nowMs());
  } catch (error) {
    parts.log.error({ replica: place.endpoint.replicaId, err: error }, "a request could not be sent; its caller gets INTERNAL");
    return refusal("INTERNAL", internalText);
  }
}

/** Opens the request on a connection. Returns the error of the call if its headers cannot be sent. */
export function openOn(
  connection: ReplicaConnection,
  { headers, deadlineMs, events }: OpeningRequest,
  nowMs: number,
): ReplicaSide | StatusError {
  if (deadlineMs !== Number.POSITIVE_INFINITY) headers[timeoutHeader] = formatTimeout(deadlineMs - nowMs);
  try {
    return connection.open(headers, events);
  } catch (error) {
    return invalid([{ field: "", description: `headers: ${error instanceof Error ? error.message : ""}` }]);
  }
}
