import type { DeploymentSpec } from "./deployment.ts";
import { type Json, type JsonObject, sameJson } from "./json.ts";

/**
 * What a new spec changes: nothing, only the controller's behaviour, the config of running
 * replicas, or the replicas themselves.
 */
export type Effect = (typeof effects)[number];

/** The smallest effect first. */
export const effects = ["NONE", "LIVE", "RECONFIGURE", "ROLLOUT"] as const;

/**
 * The effect of changing a field. Replicas are replaced if anything changes that they were started
 * with.
 */
export const fieldEffects: Readonly<Record<keyof DeploymentSpec, Effect>> = {
  name: "NONE",
  application: "LIVE",
  version: "ROLLOUT",
  program: "ROLLOUT",
  initArgs: "ROLLOUT",
  runtimeEnv: "ROLLOUT",
  numReplicas: "LIVE",
  autoscalingConfig: "LIVE",
  resources: "ROLLOUT",
  maxOngoingRequests: "RECONFIGURE",
  maxQueuedRequests: "LIVE",
  maxMessageBytes: "ROLLOUT",
  userConfig: "RECONFIGURE",
  healthCheck: "LIVE",
  gracefulShutdownTimeoutMs: "LIVE",
  startupTimeoutMs: "LIVE",
  requestTimeoutMs: "LIVE",
  labels: "LIVE",
  rollout: "LIVE",
};

export const fields = Object.keys(fieldEffects) as (keyof DeploymentSpec)[];

/**
 * The effect of replacing one spec by another. An empty version is a new version every time, unless
 * a bundle says what the program is. A program cannot be given "no config" while it runs, so that
 * needs new replicas.
 */
export function effectOf(before: DeploymentSpec, after: DeploymentSpec): Effect {
  const isNewVersion = after.version === "" && after.runtimeEnv.bundle === undefined;
  if (isNewVersion || (before.userConfig !== undefined && after.userConfig === undefined)) return "ROLLOUT";
  const found = fields.filter((field) => !sameJson(before[field], after[field])).map((field) => fieldEffects[field]);
  return effects.findLast((effect) => found.includes(effect)) ?? "NONE";
}

/** A value that differs between two JSON values. Undefined: absent there. */
export interface Difference {
  /** Names and indexes from the root. */
  readonly path: readonly string[];
  readonly before: Json | undefined;
  readonly after: Json | undefined;
}

/** Where two JSON values differ. Objects are compared member by member, arrays as a whole. */
export function differences(before: Json | undefined, after: Json | undefined, path: readonly string[] = []): readonly Difference[] {
  if (sameJson(before, after)) return [];
  if (!isObject(before) || !isObject(after)) return [{ path, before, after }];
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  const own = (object: JsonObject, name: string) => (Object.hasOwn(object, name) ? object[name] : undefined);
  return names.flatMap((name) => differences(own(before, name), own(after, name), [...path, name]));
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
