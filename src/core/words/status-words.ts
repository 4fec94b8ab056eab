import type { DeploymentRecord } from "../deployment.ts";
import type { Condition } from "../rollout/conditions.ts";
import type { DeploymentStatus } from "../rollout/status.ts";
import { preparingInWords } from "./ending-words.ts";
import { andMore, plural, seconds } from "./phrases.ts";
import { rolloutFailureInWords, startFailureInWords } from "./rollout-words.ts";
import { waitInWords } from "./wait-words.ts";

/** How many replicas run, and how many of them are of the wanted revision. */
export function runningInWords({
  running,
  target,
  updated,
  revision,
}: Pick<DeploymentStatus, "running" | "target" | "updated"> & { readonly revision: number | bigint }): string {
  return `${running} of ${target} running${updated >= running ? "" : `, ${updated} of them of revision ${revision}`}`;
}

/**
 * What an operator should know about a deployment. Empty: nothing. What a program printed comes
 * last.
 */
export function statusInWords({ spec, revision }: DeploymentRecord, status: DeploymentStatus, conditions: readonly Condition[]): string {
  const deleting = conditions.find(({ type }) => type === "DELETING");
  if (deleting !== undefined) return conditionInWords(deleting, spec.name);
  if (status.state === "HEALTHY" && !conditions.some(({ type }) => type === "CONFIG_CHANGING" || type === "REPLICAS_UNSEEN")) return "";
  return [runningInWords({ ...status, revision }), ...conditions.map((condition) => conditionInWords(condition, spec.name))].join("; ");
}

/** One condition of the deployment `name`. */
export function conditionInWords(condition: Condition, name: string): string {
  switch (condition.type) {
    case "DELETING":
      return condition.replicasLeft === 1 ? "1 replica finishes its requests" : `${condition.replicasLeft} replicas finish their requests`;
    case "CONFIG_CHANGING":
      return "another config is being given to the replicas";
    case "ROLLOUT_PAUSED":
      return `the rollout is paused (\`drover resume ${name}\` lets it go on)`;
    case "NO_CAPACITY":
      return `${condition.replicaId} ${waitInWords(condition.wait)}${condition.more > 0 ? ` (and ${condition.more} more)` : ""}`;
    case "WAITING_FOR_PACKAGES":
      return condition.replicaId === undefined
        ? `${preparingInWords(condition)} for revision ${condition.revision}`
        : `starting ${condition.replicaId}${andMore(condition.more ?? 0)}: ${preparingInWords(condition)}`;
    case "STARTING": {
      const why = condition.wait === undefined ? "" : `: ${waitInWords(condition.wait)}`;
      return `starting ${condition.replicaId}${andMore(condition.more)}${why}`;
    }
    case "STARTS_FAILING": {
      const times = condition.failedStarts > 1 ? ` (${plural(condition.failedStarts, "failed start")} in a row)` : "";
      return `last failure${times}: ${startFailureInWords(condition.last)}`;
    }
    case "ROLLOUT_FAILED":
      return `the rollout of revision ${condition.revision} has failed: ${rolloutFailureInWords(condition.failure)}`;
    case "REPLICAS_UNSEEN":
      return `${condition.replicaId}${andMore(condition.more)}: on node ${condition.node}, which this controller does not see`;
    case "ROLLED_BACK":
      return `revision ${condition.revision} has failed and was rolled back to revision ${condition.to}: ${rolloutFailureInWords(condition.failure)}`;
  }
}

/** `3 requests of echo, up to 20 s`. */
export const requestsInWork = (work: { readonly deployment: string; readonly calls: number; readonly graceMs: number }): string =>
  `${plural(work.calls, "request")} of ${work.deployment}, up to ${seconds(work.graceMs)}`;
