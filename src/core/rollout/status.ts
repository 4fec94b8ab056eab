import type { DeploymentRecord, ProgressRecord } from "../deployment.ts";
import { ofLife } from "../lineage.ts";
import { counts, type ReplicaRecord } from "../replica.ts";

/** What a deployment is doing. */
export type DeploymentState = "UPDATING" | "UPSCALING" | "DOWNSCALING" | "HEALTHY" | "UNHEALTHY" | "DEPLOY_FAILED" | "DELETING";

export interface DeploymentStatus {
  readonly state: DeploymentState;
  readonly target: number;
  readonly running: number;
  readonly updated: number;
  /** Whether work is left to do. */
  readonly reconciling: boolean;
}

/** The number of replicas wanted. */
export function targetOf(deployment: DeploymentRecord): number {
  if (deployment.deletingSinceMs !== undefined) return 0;
  return deployment.autoscaled?.target ?? deployment.spec.numReplicas;
}

/** A deployment's observable status, derived from its records. */
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
  const ours = ofLife(progress, deployment);
  const there = updated === target && live.length === target;
  // The loop records `settled` once all replicas have been RUNNING for min_ready_time.
  const whole = there && ours?.settled?.revision === deployment.revision;
  const facts = { target, there, whole, mixed: live.some(({ revision }) => revision !== deployment.revision) };
  const state = stateOf(deployment, ours, facts);
  return {
    state,
    target,
    running,
    updated,
    reconciling:
      !whole || ours?.observedGeneration !== deployment.generation || draining || state === "DELETING" || deployment.changing !== undefined,
  };
}

interface Completeness {
  readonly target: number;
  /** All wanted replicas run, and no others. */
  readonly there: boolean;
  /** The same, and recorded by the loop. */
  readonly whole: boolean;
  /** Replicas of another revision are left. */
  readonly mixed: boolean;
}

function stateOf(
  deployment: DeploymentRecord,
  progress: ProgressRecord | undefined,
  { target, there, whole, mixed }: Completeness,
): DeploymentState {
  if (deployment.deletingSinceMs !== undefined) return "DELETING";
  if (deployment.failedRollout !== undefined) return "DEPLOY_FAILED";
  if (there) return whole ? "HEALTHY" : "UPDATING";
  if (progress?.revision === deployment.revision && progress.rolloutFailure !== undefined) return "DEPLOY_FAILED";
  const settled = progress?.settled;
  if (mixed || settled?.revision !== deployment.revision) return "UPDATING";
  if (target > settled.target) return "UPSCALING";
  if (target < settled.target) return "DOWNSCALING";
  return "UNHEALTHY";
}
