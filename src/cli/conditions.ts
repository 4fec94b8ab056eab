import type { DeploymentStatus } from "../../gen/drover/v1/deployment_pb.ts";
import { type Condition, ConditionReason, ConditionType, type PendingReason } from "../../gen/drover/v1/facts_pb.ts";
import { runningInWords } from "../core/words/status-words.ts";
import { nameOf } from "../rpc/enum-name.ts";
import { age } from "./print.ts";

/**
 * The conditions of a deployment on one line, except for lines that a program printed; empty: it
 * has none.
 */
export function conditionsInWords(status: DeploymentStatus | undefined): string {
  return (status?.conditions ?? []).map(sentenceOf).join("; ");
}

function sentenceOf({ reason, message }: Condition): string {
  return reason === ConditionReason.BLOCKED_NO_CAPACITY ? `${nameOf(ConditionReason, reason)}: ${message}` : message;
}

/** How many replicas run, and the conditions. */
export function statusInWords(status: DeploymentStatus | undefined): string {
  const { runningReplicas: running = 0, targetReplicas: target = 0, updatedReplicas: updated = 0, revision = 0n } = status ?? {};
  const conditions = conditionsInWords(status);
  return `${runningInWords({ running, target, updated, revision })}${conditions === "" ? "" : `; ${conditions}`}`;
}

/** Each condition as a line: `ROLLOUT_PAUSED for 3m: the rollout is paused`. */
export function conditionLines(status: DeploymentStatus | undefined, nowMs: number): readonly string[] {
  return (status?.conditions ?? []).map(({ type, reason, message, since }) => {
    const blocked = reason === ConditionReason.BLOCKED_NO_CAPACITY;
    const word = blocked ? nameOf(ConditionReason, reason) : nameOf(ConditionType, type);
    return `${word}${since === undefined ? "" : ` for ${age(nowMs, since)}`}: ${message}`;
  });
}

/** A key of what the conditions are about: equal where only replicas and amounts differ. */
export function subjectOf(status: DeploymentStatus | undefined): string {
  const subjects = (status?.conditions ?? []).map(({ type, reason, revision, failedStarts, lastFailure, pendingReason }) => [
    type,
    reason,
    failedStarts,
    String(revision),
    lastFailure?.failure?.kind ?? 0,
    ...waitSubject(pendingReason),
  ]);
  return JSON.stringify(subjects);
}

function waitSubject(wait: PendingReason | undefined): readonly (string | number)[] {
  if (wait === undefined) return [];
  const short = wait.shortages.flatMap(({ resource, name }) => [resource, name]);
  return [wait.kind, wait.healthProblem?.kind ?? 0, ...short];
}
