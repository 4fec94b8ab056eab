import { refusal, type StatusError } from "../errors.ts";

/** After how long a call may be made again of which the replica was lost. */
const retryAfterMs = 1_000;

/** For a request that may have had its effect, at the gateway and at callers that go to replicas. */
export function replicaLost(deployment: string, replicaId: string): StatusError {
  return refusal("REPLICA_LOST", `replica ${replicaId} was lost while it worked on the request`, {
    retryAfterMs,
    metadata: { deployment, replica: replicaId },
  });
}
