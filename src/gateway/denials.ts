import { refusal, StatusError } from "../core/errors.ts";
import type { NoReplicaExpected } from "../core/traffic/route.ts";
import { noReplicaExpectedInWords } from "../core/words/rollout-words.ts";
import type { GivenBack, Place } from "./place.ts";

/**
 * When a caller should try again. The time is drawn from this range, so that callers refused
 * together do not come back together.
 */
const retryFirstMs = 100;
export const retryMaxMs = 1_000;

export function notFound(deployment: string): StatusError {
  return refusal("DEPLOYMENT_NOT_FOUND", `there is no deployment "${deployment}"`, { metadata: { deployment } });
}

/** For every call at the gateway when it ends. */
export function shuttingDown(): StatusError {
  return refusal("SHUTTING_DOWN", "this gateway is shutting down", { retryAfterMs: retryMaxMs });
}

export function queueFull(deployment: string, waiting: number, draw: number): StatusError {
  const text =
    waiting === 0
      ? `no replica of "${deployment}" has room, and requests may not wait`
      : `no replica of "${deployment}" has room, and ${waiting === 1 ? "1 request waits" : `${waiting} requests wait`}`;
  // Spread, so that those refused together do not come back together.
  const retryAfterMs = retryFirstMs + Math.floor(draw * (retryMaxMs - retryFirstMs));
  return refusal("QUEUE_FULL", text, { retryAfterMs, metadata: { deployment } });
}

export function noneRuns(deployment: string, why: NoReplicaExpected): StatusError {
  const text = `no replica of "${deployment}" runs, and ${noReplicaExpectedInWords(why)}`;
  return refusal("NO_REPLICA", text, { retryAfterMs: retryMaxMs, metadata: { deployment } });
}

/** For a request that a replica gave back and that may not be tried again. */
export function givenUp(why: GivenBack, deployment: string): StatusError {
  const facts = { retryAfterMs: retryMaxMs, metadata: { deployment } };
  return why === "busy"
    ? refusal("REPLICA_BUSY", `the replicas of "${deployment}" have no room: others than this gateway fill them`, facts)
    : refusal("NO_REPLICA", `no replica of "${deployment}" can be reached`, facts);
}

/** For an Invoke to a program that does not serve `drover.v1.InvokeService`. */
export function notInvocable(deployment: string): StatusError {
  const text = `the program of "${deployment}" serves only its own gRPC services: call them, with the metadata key drover-deployment`;
  return refusal("METHOD_NOT_FOUND", text, { metadata: { deployment } });
}

/** For a request that a replica gave back and that is not kept completely. `lack` says why. */
export function notSentAgain(why: GivenBack, { deployment, endpoint: { replicaId } }: Place, lack: string): StatusError {
  const trouble = why === "busy" ? "has no room" : "takes no requests or cannot be reached";
  const text = `replica ${replicaId} ${trouble}, and the request cannot be sent to another (${lack}): it had no effect, send it again`;
  return refusal(why === "busy" ? "REPLICA_BUSY" : "NO_REPLICA", text, { retryAfterMs: retryMaxMs, metadata: { deployment } });
}

/** For a response that its caller does not read. The caller learns it by the reset of its call. */
export function unreadTooLong(): StatusError {
  return new StatusError("RESOURCE_EXHAUSTED", "the caller does not read, and the gateway holds too much that is not read");
}
