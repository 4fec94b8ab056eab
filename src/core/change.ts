import type { DeploymentRecord, DeploymentSpec } from "./deployment.ts";
import { sameJson } from "./json.ts";

/** What a new spec costs: nothing, the controller's attention only, or new replicas. */
export type Effect = "NONE" | "LIVE" | "ROLLOUT";

/** The fields a replica is started with: a change of one of them takes a new replica. */
const replicaFields = [
  "version",
  "program",
  "initArgs",
  "runtimeEnv",
  "resources",
  "userConfig",
  "maxOngoingRequests",
] as const satisfies readonly (keyof DeploymentSpec)[];

/** What going from one spec to the other costs. An empty version is a new one every time. */
export function effectOf(before: DeploymentSpec, after: DeploymentSpec): Effect {
  if (after.version === "" || replicaFields.some((field) => !sameJson(before[field], after[field]))) return "ROLLOUT";
  return sameJson(before, after) ? "NONE" : "LIVE";
}

/** The record of a deployment that is deployed for the first time. */
export function firstRecord(spec: DeploymentSpec, uid: string, nowMs: number): DeploymentRecord {
  return { uid, spec, generation: 1, revision: 1, configGeneration: 1, createdAtMs: nowMs, updatedAtMs: nowMs };
}

/** The record after `spec` replaced its spec; the same record if nothing changes. */
export function nextRecord(record: DeploymentRecord, spec: DeploymentSpec, nowMs: number): DeploymentRecord {
  const effect = effectOf(record.spec, spec);
  if (effect === "NONE") return record;
  return {
    ...record,
    spec,
    generation: record.generation + 1,
    revision: record.revision + (effect === "ROLLOUT" ? 1 : 0),
    configGeneration: record.configGeneration + (sameJson(record.spec.userConfig, spec.userConfig) ? 0 : 1),
    updatedAtMs: nowMs,
  };
}
