import { type ActingTime, elapsedMs } from "../acting-time.ts";
import type { DeploymentRecord, ProgressRecord } from "../deployment.ts";
import { type ReplicaRecord, waitsForRoom } from "../replica.ts";
import type { RolloutFailure } from "../rollout-failure.ts";
import { targetOf } from "./status.ts";

/**
 * Why the rollout to the wanted revision has failed. Undefined: it has not.
 */
export function rolloutFailure(
  progress: ProgressRecord,
  deployment: DeploymentRecord,
  replicas: readonly ReplicaRecord[],
  time: ActingTime,
): RolloutFailure | undefined {
  const { maxStartFailures, progressDeadlineMs } = deployment.spec.rollout;
  // At target 0 a revision is complete too, but whether it can run is not known.
  const wasWhole = progress.healthyRevisions.at(-1) === deployment.revision;
  const over = (progress.everStable && wasWhole) || targetOf(deployment) === 0;
  if (over || deployment.pausedSinceMs !== undefined) return undefined;
  const last = progress.lastFailure;
  if (!progress.everStable && progress.failedStarts >= maxStartFailures)
    return { kind: "failedStarts", count: progress.failedStarts, last };
  // The deadline is for a rollout that is not complete. What fails after that counts as failed starts, until a replica is stable.
  if (
    progress.rolloutFailure !== undefined ||
    wasWhole ||
    progressDeadlineMs === 0 ||
    elapsedMs(progress.progressedAtMs, time) < progressDeadlineMs
  )
    return progress.rolloutFailure;
  const waiting = replicas.find((replica) => replica.revision === deployment.revision && waitsForRoom(replica));
  const blocked = last === undefined && waiting?.waits !== undefined ? { replicaId: waiting.id, wait: waiting.waits } : undefined;
  return { kind: "progressDeadline", deadlineMs: progressDeadlineMs, last, waiting: blocked };
}
