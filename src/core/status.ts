import type { DeploymentRecord, ProgressRecord } from "./deployment.ts";
import { counts, type ReplicaRecord } from "./replica.ts";

/** What a deployment is doing. */
export type DeploymentState = "UPDATING" | "UPSCALING" | "DOWNSCALING" | "HEALTHY" | "UNHEALTHY" | "DEPLOY_FAILED" | "DELETING";

/** Failed starts in a row, with no replica of the revision ever running, after which the deployment has failed. */
export const startFailuresMax = 5;

export interface DeploymentStatus {
  readonly state: DeploymentState;
  /** What a person should know; empty: nothing. */
  readonly message: string;
  readonly target: number;
  readonly running: number;
  readonly updated: number;
  /** Whether there is still something to do. */
  readonly reconciling: boolean;
}

/** Replicas wanted. */
export function targetOf(deployment: DeploymentRecord): number {
  return deployment.deletingSinceMs === undefined ? deployment.spec.numReplicas : 0;
}

/** What is so of a deployment, from the records alone. */
export function statusOf(
  deployment: DeploymentRecord,
  progress: ProgressRecord | undefined,
  replicas: readonly ReplicaRecord[],
): DeploymentStatus {
  const target = targetOf(deployment);
  const live = replicas.filter(({ state }) => counts(state));
  const runningReplicas = live.filter(({ state }) => state === "RUNNING");
  const running = runningReplicas.length;
  const updated = runningReplicas.filter(({ revision }) => revision === deployment.revision).length;
  const draining = replicas.some(({ state }) => state === "DRAINING");
  const there = updated === target && live.length === target;
  const whole = there && progress?.uid === deployment.uid && progress.observedGeneration === deployment.generation;
  const state = stateOf(deployment, progress, { target, there, whole });
  const reconciling = !whole || draining || state === "DELETING";
  return {
    state,
    message: whole && state === "HEALTHY" ? "" : messageOf(deployment, progress, replicas, { target, running, updated }),
    target,
    running,
    updated,
    reconciling,
  };
}

function stateOf(
  deployment: DeploymentRecord,
  progress: ProgressRecord | undefined,
  { target, there, whole }: { readonly target: number; readonly there: boolean; readonly whole: boolean },
): DeploymentState {
  if (deployment.deletingSinceMs !== undefined) return "DELETING";
  if (there) return whole ? "HEALTHY" : "UPDATING";
  const ours = progress?.uid === deployment.uid ? progress : undefined;
  // A revision is also whole with no replica wanted: that it can run is not known yet.
  if (ours?.revision === deployment.revision && ours.failedStarts >= startFailuresMax && !ours.everRan) return "DEPLOY_FAILED";
  const settled = ours?.settled ?? { revision: 0, target: 0 };
  if (settled.revision !== deployment.revision) return "UPDATING";
  if (target > settled.target) return "UPSCALING";
  if (target < settled.target) return "DOWNSCALING";
  return "UNHEALTHY";
}

function messageOf(
  deployment: DeploymentRecord,
  progress: ProgressRecord | undefined,
  replicas: readonly ReplicaRecord[],
  { target, running, updated }: { readonly target: number; readonly running: number; readonly updated: number },
): string {
  if (deployment.deletingSinceMs !== undefined) {
    const left = replicas.filter(({ state }) => state === "DRAINING" || counts(state)).length;
    return left === 1 ? "1 replica finishes its requests" : `${left} replicas finish their requests`;
  }
  const parts = [
    updated === running
      ? `${running} of ${target} running`
      : `${running} of ${target} running, ${updated} of them of revision ${deployment.revision}`,
  ];
  const waiting = replicas.filter(({ state, message }) => state === "PENDING" && message !== "");
  if (waiting[0]) parts.push(`${waiting[0].id} ${waiting[0].message}${waiting.length > 1 ? ` (and ${waiting.length - 1} more)` : ""}`);
  const starting = replicas.filter(({ state }) => state === "STARTING");
  if (starting[0]) parts.push(`starting ${starting[0].id}${starting.length > 1 ? ` and ${starting.length - 1} more` : ""}`);
  if (progress?.uid === deployment.uid && progress.revision === deployment.revision && progress.lastFailure !== "") {
    const times = progress.failedStarts > 1 ? ` (${progress.failedStarts} failed starts in a row)` : "";
    parts.push(`last failure${times}: ${progress.lastFailure}`);
  }
  return parts.join("; ");
}
