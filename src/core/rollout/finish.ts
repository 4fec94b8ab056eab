import { type ActingTime, elapsedMs } from "../acting-time.ts";
import type { DeploymentRecord } from "../deployment.ts";
import { hasEnded } from "../replica.ts";
import type { Action, SeenReplica } from "./sight.ts";

/** The time from SIGTERM to SIGKILL. */
export const terminateGraceMs = 5_000;
/** How long stopped replicas stay listed. */
export const stoppedKeptMs = 30_000;
/** How long failed replicas stay listed, and how many of them. */
export const failedKeptMs = 600_000;
export const failedKeptMax = 3;

/**
 * Ends the process of a replica that is to stop or has failed, and removes records that need not be
 * kept.
 */
export function finish(seen: SeenReplica, deployment: DeploymentRecord, time: ActingTime): readonly Action[] {
  const { replica } = seen;
  const replicaId = replica.id;
  if (seen.process === "alive" || seen.process === "waiting") {
    const graceOver = elapsedMs(replica.sinceMs, time) >= deployment.spec.gracefulShutdownTimeoutMs;
    const mayEnd =
      hasEnded(replica.state) || (replica.state === "DRAINING" && (seen.drained || graceOver || replica.readyAtMs === undefined));
    if (!mayEnd) return [];
    if (seen.terminatedAtMs === undefined) return [{ kind: "terminate", replicaId }];
    return elapsedMs(seen.terminatedAtMs, time) >= terminateGraceMs ? [{ kind: "kill", replicaId }] : [];
  }
  const keptMs = deployment.deletingSinceMs !== undefined ? 0 : replica.state === "STOPPED" ? stoppedKeptMs : failedKeptMs;
  return hasEnded(replica.state) && seen.process !== "unknown" && elapsedMs(replica.sinceMs, time) >= keptMs
    ? [{ kind: "forget", replicaId }]
    : [];
}

/** Removes all but the newest failed replicas. */
export function surplusRecords(seen: readonly SeenReplica[], time: ActingTime): readonly Action[] {
  const failed = seen.filter(
    ({ replica, process }) =>
      replica.state === "FAILED" && (process === "exited" || process === "none") && elapsedMs(replica.sinceMs, time) < failedKeptMs,
  );
  return failed
    .toSorted((a, b) => b.replica.sinceMs - a.replica.sinceMs)
    .slice(failedKeptMax)
    .map(({ replica }): Action => ({ kind: "forget", replicaId: replica.id }));
}
