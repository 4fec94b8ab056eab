import type { DeploymentRecord, ProgressRecord } from "../deployment.ts";
import { counts, type ReplicaRecord } from "../replica.ts";
import { availableMin } from "../rollout-policy.ts";

/** What a deployment is doing. */
export type DeploymentState = "UPDATING" | "UPSCALING" | "DOWNSCALING" | "HEALTHY" | "UNHEALTHY" | "DEPLOY_FAILED" | "DELETING";

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
  if (deployment.deletingSinceMs !== undefined) return 0;
  return deployment.autoscaled?.target ?? deployment.spec.numReplicas;
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
  const ours = progress?.uid === deployment.uid ? progress : undefined;
  const there = updated === target && live.length === target;
  // The loop notes it as settled once all have been running for min_ready_time.
  const whole = there && ours?.settled.revision === deployment.revision;
  const facts = { target, running, updated, there, whole, mixed: live.some(({ revision }) => revision !== deployment.revision) };
  const state = stateOf(deployment, ours, facts);
  return {
    state,
    message: state === "HEALTHY" && deployment.changing === undefined ? "" : messageOf(deployment, ours, replicas, facts),
    target,
    running,
    updated,
    reconciling:
      !whole || ours?.observedGeneration !== deployment.generation || draining || state === "DELETING" || deployment.changing !== undefined,
  };
}

interface Facts {
  readonly target: number;
  readonly running: number;
  readonly updated: number;
  /** All that is wanted runs, and nothing else. */
  readonly there: boolean;
  /** And the loop has seen it so. */
  readonly whole: boolean;
  /** Replicas of another revision are left. */
  readonly mixed: boolean;
}

function stateOf(
  deployment: DeploymentRecord,
  progress: ProgressRecord | undefined,
  { target, there, whole, mixed }: Facts,
): DeploymentState {
  if (deployment.deletingSinceMs !== undefined) return "DELETING";
  if (deployment.failedRollout !== undefined) return "DEPLOY_FAILED";
  if (there) return whole ? "HEALTHY" : "UPDATING";
  if (progress?.revision === deployment.revision && progress.rolloutFailure !== "") return "DEPLOY_FAILED";
  const settled = progress?.settled ?? { revision: 0, target: 0 };
  if (mixed || settled.revision !== deployment.revision) return "UPDATING";
  if (target > settled.target) return "UPSCALING";
  if (target < settled.target) return "DOWNSCALING";
  return "UNHEALTHY";
}

function messageOf(
  deployment: DeploymentRecord,
  progress: ProgressRecord | undefined,
  replicas: readonly ReplicaRecord[],
  { target, running, updated }: Facts,
): string {
  if (deployment.deletingSinceMs !== undefined) {
    const left = replicas.filter(({ state }) => state === "DRAINING" || counts(state)).length;
    return left === 1 ? "1 replica finishes its requests" : `${left} replicas finish their requests`;
  }
  const { revision, changing, pausedSinceMs, failedRollout } = deployment;
  const parts = [
    updated === running ? `${running} of ${target} running` : `${running} of ${target} running, ${updated} of them of revision ${revision}`,
  ];
  const ours = progress?.revision === revision ? progress : undefined;
  if (changing !== undefined) parts.push("another config is being given to the replicas");
  if (pausedSinceMs !== undefined) parts.push(`the rollout is paused (\`drover resume ${deployment.spec.name}\` lets it go on)`);
  const waiting = replicas.filter(({ state, message }) => state === "PENDING" && message !== "");
  if (waiting[0]) parts.push(`${waiting[0].id} ${waiting[0].message}${waiting.length > 1 ? ` (and ${waiting.length - 1} more)` : ""}`);
  const starting = replicas.filter(({ state }) => state === "STARTING");
  const [first] = starting;
  if (first) {
    const more = starting.length > 1 ? ` and ${starting.length - 1} more` : "";
    parts.push(`starting ${first.id}${more}${first.message === "" ? "" : `: ${first.message}`}`);
  }
  if (ours?.installing !== undefined) parts.push(`${ours.installing} for revision ${revision}`);
  if (ours && ours.lastFailure !== "" && !ours.rolloutFailure.includes(ours.lastFailure)) {
    const times = ours.failedStarts > 1 ? ` (${ours.failedStarts} failed starts in a row)` : "";
    parts.push(`last failure${times}: ${ours.lastFailure}`);
  }
  // Last, as it ends with what a program printed.
  if (failedRollout !== undefined) {
    parts.push(`revision ${failedRollout.revision} has failed, and revision ${revision} was gone back to: ${failedRollout.cause}`);
  } else if (ours && ours.rolloutFailure !== "") parts.push(`the rollout of revision ${revision} has failed: ${ours.rolloutFailure}`);
  return `${isBlocked(deployment, replicas) ? "BLOCKED_NO_CAPACITY: " : ""}${parts.join("; ")}`;
}

/** A new replica finds no room beside the old ones, and none of these may be missing. */
function isBlocked(deployment: DeploymentRecord, replicas: readonly ReplicaRecord[]): boolean {
  const { spec, revision, pausedSinceMs } = deployment;
  const { rollout } = spec;
  const target = targetOf(deployment);
  if (pausedSinceMs !== undefined || rollout.strategy !== "AVAILABILITY" || availableMin(target, rollout) < target) return false;
  const is = (wanted: ReplicaRecord["state"], current: boolean) =>
    replicas.some((replica) => replica.state === wanted && (replica.revision === revision) === current);
  const moving = is("STARTING", true) || is("STARTING", false) || is("DRAINING", true) || is("DRAINING", false);
  return (
    is("PENDING", true) && is("RUNNING", false) && !moving && replicas.some(({ state, message }) => state === "PENDING" && message !== "")
  );
}
