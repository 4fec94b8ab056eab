import type { DeploymentRecord, DeploymentSpec } from "./deployment.ts";
import { type Json, type JsonObject, sameJson } from "./json.ts";

/** What a new spec costs, the least first: nothing, the controller's attention only, or new replicas. */
export type Effect = "NONE" | "LIVE" | "ROLLOUT";

/** What changing a field costs: a replica is replaced when something changes that it was started with. */
export const fieldEffects: Readonly<Record<keyof DeploymentSpec, Effect>> = {
  name: "NONE",
  version: "ROLLOUT",
  program: "ROLLOUT",
  initArgs: "ROLLOUT",
  runtimeEnv: "ROLLOUT",
  numReplicas: "LIVE",
  resources: "ROLLOUT",
  maxOngoingRequests: "ROLLOUT",
  maxQueuedRequests: "LIVE",
  userConfig: "ROLLOUT",
  healthCheck: "LIVE",
  gracefulShutdownTimeoutMs: "LIVE",
  startupTimeoutMs: "LIVE",
  requestTimeoutMs: "LIVE",
  labels: "LIVE",
};

const fields = Object.keys(fieldEffects) as (keyof DeploymentSpec)[];

/** What going from one spec to the other costs. An empty version is a new one every time. */
export function effectOf(before: DeploymentSpec, after: DeploymentSpec): Effect {
  if (after.version === "") return "ROLLOUT";
  const effects = fields.filter((field) => !sameJson(before[field], after[field])).map((field) => fieldEffects[field]);
  return effects.includes("ROLLOUT") ? "ROLLOUT" : effects.includes("LIVE") ? "LIVE" : "NONE";
}

/** A value that differs between two JSON values; undefined: it is not there. */
export interface Difference {
  /** Names and indexes from the root. */
  readonly path: readonly string[];
  readonly before: Json | undefined;
  readonly after: Json | undefined;
}

/** Where two JSON values differ, as deep as both have objects; arrays are compared whole. */
export function differences(before: Json | undefined, after: Json | undefined, path: readonly string[] = []): readonly Difference[] {
  if (sameJson(before, after)) return [];
  if (!isObject(before) || !isObject(after)) return [{ path, before, after }];
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return names.flatMap((name) => differences(before[name], after[name], [...path, name]));
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The record of a deployment that is deployed for the first time. */
export function firstRecord(spec: DeploymentSpec, uid: string, nowMs: number): DeploymentRecord {
  return { uid, spec, generation: 1, revision: 1, newestRevision: 1, configGeneration: 1, createdAtMs: nowMs, updatedAtMs: nowMs };
}

/** The record after `spec` replaced its spec; the same record if nothing changes. */
export function nextRecord(record: DeploymentRecord, spec: DeploymentSpec, nowMs: number): DeploymentRecord {
  const effect = effectOf(record.spec, spec);
  if (effect === "NONE") return record;
  const newestRevision = record.newestRevision + (effect === "ROLLOUT" ? 1 : 0);
  return { ...withSpec(record, spec, nowMs), revision: effect === "ROLLOUT" ? newestRevision : record.revision, newestRevision };
}

/**
 * The record after going back to an old revision: what its replicas are started with is as it was then; what only the controller
 * reads, such as the number of replicas, stays as it is now.
 */
export function rolledBack(
  record: DeploymentRecord,
  to: { readonly revision: number; readonly spec: DeploymentSpec },
  nowMs: number,
): DeploymentRecord {
  const old = Object.fromEntries(fields.filter((field) => fieldEffects[field] === "ROLLOUT").map((field) => [field, to.spec[field]]));
  const { userConfig, ...spec } = { ...record.spec, ...old } as DeploymentSpec;
  return { ...withSpec(record, userConfig === undefined ? spec : { ...spec, userConfig }, nowMs), revision: to.revision };
}

function withSpec(record: DeploymentRecord, spec: DeploymentSpec, nowMs: number): DeploymentRecord {
  return {
    ...record,
    spec,
    generation: record.generation + 1,
    configGeneration: record.configGeneration + (sameJson(record.spec.userConfig, spec.userConfig) ? 0 : 1),
    updatedAtMs: nowMs,
  };
}

/** Revisions kept beside those in use. */
export const revisionsKept = 10;

/** The revisions that need not be kept any more: neither among the newest, nor wanted, nor run by a replica, nor the last that was healthy. */
export function revisionsToForget(revisions: readonly number[], inUse: ReadonlySet<number>): readonly number[] {
  const oldest = revisions.toSorted((a, b) => b - a).slice(revisionsKept);
  return oldest.filter((revision) => !inUse.has(revision));
}

/** The revision to go back to when none is named: the last that was healthy, other than the one wanted now. */
export function revisionBefore(
  record: DeploymentRecord,
  healthyRevisions: readonly number[],
  kept: ReadonlySet<number>,
): number | undefined {
  return healthyRevisions.findLast((revision) => revision !== record.revision && kept.has(revision));
}
