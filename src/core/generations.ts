import type { DeploymentRecord, DeploymentSpec, FailedRollout } from "./deployment.ts";
import { effectOf, fieldEffects, fields } from "./effect.ts";
import { sameJson } from "./json.ts";

/** The record of a new deployment. */
export function firstRecord(spec: DeploymentSpec, uid: string, nowMs: number): DeploymentRecord {
  const times = { createdAtMs: nowMs, updatedAtMs: nowMs };
  const record = { uid, spec, generation: 1, revision: 1, newestRevision: 1, configGeneration: 1, newestConfigGeneration: 1, ...times };
  return withTarget(record, spec, nowMs);
}

/**
 * The record with `spec` in place of its spec; the same record if nothing changes. A paused rollout
 * stays paused. The note of a failed rollout is removed: whoever changes the deployment has seen
 * it. `redeploy`: a new revision also where nothing changes.
 */
export function nextRecord(
  record: DeploymentRecord,
  spec: DeploymentSpec,
  nowMs: number,
  { redeploy = false }: { readonly redeploy?: boolean } = {},
): DeploymentRecord {
  const effect = redeploy ? "ROLLOUT" : effectOf(record.spec, spec);
  if (effect === "NONE") return acknowledged(record);
  const next = acknowledged(withSpec(record, spec, nowMs));
  if (effect !== "ROLLOUT") return next;
  const { rolledBackAtMs, ...fresh } = next;
  const newestRevision = record.newestRevision + 1;
  return { ...fresh, revision: newestRevision, newestRevision };
}

/**
 * The record after a rollback. Everything that replicas are started with comes from the old
 * revision; what only the controller reads, such as the number of replicas, stays. A paused rollout
 * is resumed. `failed`: the failed rollout that caused the rollback; undefined if a person asked
 * for it.
 */
export function rolledBack(
  record: DeploymentRecord,
  to: { readonly revision: number; readonly spec: DeploymentSpec },
  nowMs: number,
  failed?: FailedRollout,
): DeploymentRecord {
  const started = fields.filter((field) => fieldEffects[field] === "ROLLOUT" || fieldEffects[field] === "RECONFIGURE");
  const old = Object.fromEntries(started.map((field) => [field, to.spec[field]]));
  const { userConfig, ...spec } = { ...record.spec, ...old } as DeploymentSpec;
  const next = withSpec(record, userConfig === undefined ? spec : { ...spec, userConfig }, nowMs);
  const { pausedSinceMs, failedRollout, ...going } = next;
  return { ...going, revision: to.revision, rolledBackAtMs: nowMs, ...(failed === undefined ? {} : { failedRollout: failed }) };
}

/**
 * The record with a change of config begun, under an unused generation. A dry run uses no
 * generation.
 */
export function changing(record: DeploymentRecord, id: string, dryRun = false): DeploymentRecord {
  return { ...record, changing: id, newestConfigGeneration: record.newestConfigGeneration + (dryRun ? 0 : 1) };
}

/** The record after its change of config is over. `committed`: what the change committed. */
export function changed(
  record: DeploymentRecord,
  nowMs: number,
  committed?: { readonly spec: DeploymentSpec; readonly generation: number },
): DeploymentRecord {
  const { changing, ...rest } = record;
  if (committed === undefined) return rest;
  const { spec, generation: configGeneration } = committed;
  return { ...withTarget(acknowledged(rest), spec, nowMs), spec, generation: record.generation + 1, configGeneration, updatedAtMs: nowMs };
}

/** The record without the note of a failed rollout; the same record if there is none. */
export function acknowledged(record: DeploymentRecord): DeploymentRecord {
  const { failedRollout, ...known } = record;
  return failedRollout === undefined ? record : known;
}

/** The record with another number of replicas; the same record if the number is equal. */
export function scaled(record: DeploymentRecord, numReplicas: number, nowMs: number): DeploymentRecord {
  if (numReplicas === record.spec.numReplicas) return record;
  return acknowledged(withSpec(record, { ...record.spec, numReplicas }, nowMs));
}

/** The record with its deletion begun; the same record if it was begun before. */
export function deleted(record: DeploymentRecord, nowMs: number): DeploymentRecord {
  if (record.deletingSinceMs !== undefined) return record;
  return { ...record, generation: record.generation + 1, updatedAtMs: nowMs, deletingSinceMs: nowMs };
}

/** The record with its rollout paused; the same record if it was paused before. */
export function paused(record: DeploymentRecord, nowMs: number): DeploymentRecord {
  return record.pausedSinceMs === undefined ? { ...record, pausedSinceMs: nowMs } : record;
}

/** The record with its rollout resumed; the same record if it was not paused. */
export function resumed(record: DeploymentRecord, nowMs: number): DeploymentRecord {
  const { pausedSinceMs, ...going } = record;
  return pausedSinceMs === undefined ? record : { ...going, resumedAtMs: nowMs };
}

/**
 * The record with the first target of the autoscaler: the present number of replicas, within the
 * bounds.
 */
function withTarget(record: DeploymentRecord, spec: DeploymentSpec, nowMs: number): DeploymentRecord {
  const { autoscalingConfig } = spec;
  const { autoscaled, ...fixed } = record;
  if (autoscalingConfig === undefined) return fixed;
  const { minReplicas, maxReplicas, initialReplicas = minReplicas } = autoscalingConfig;
  const now = autoscaled?.target ?? (record.spec === spec ? initialReplicas : record.spec.numReplicas);
  const target = Math.min(maxReplicas, Math.max(minReplicas, now));
  return target === autoscaled?.target ? record : { ...fixed, autoscaled: { target, sinceMs: nowMs } };
}

function withSpec(record: DeploymentRecord, spec: DeploymentSpec, nowMs: number): DeploymentRecord {
  // The old spec's number of replicas is the first target if autoscaling begins with `spec`.
  const next = { ...withTarget(record, spec, nowMs), spec, generation: record.generation + 1, updatedAtMs: nowMs };
  if (sameConfig(record.spec, spec)) return next;
  const configGeneration = record.newestConfigGeneration + 1;
  return { ...next, configGeneration, newestConfigGeneration: configGeneration };
}

/** Whether two specs give replicas the same config. */
export function sameConfig(one: DeploymentSpec, other: DeploymentSpec): boolean {
  return one.maxOngoingRequests === other.maxOngoingRequests && sameJson(one.userConfig, other.userConfig);
}

/** Revisions kept besides those in use. */
export const revisionsKept = 10;

/**
 * The revisions that need not be kept: neither among the newest, nor wanted, nor run by a replica,
 * nor the last healthy one.
 */
export function revisionsToForget(revisions: readonly number[], inUse: ReadonlySet<number>): readonly number[] {
  const oldest = revisions.toSorted((a, b) => b - a).slice(revisionsKept);
  return oldest.filter((revision) => !inUse.has(revision));
}

/** The revision of a rollback that names none: the last healthy one other than the present one. */
export function revisionBefore(
  record: DeploymentRecord,
  healthyRevisions: readonly number[],
  kept: { has(revision: number): boolean },
): number | undefined {
  return healthyRevisions.findLast((revision) => revision !== record.revision && kept.has(revision));
}
