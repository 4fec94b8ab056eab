import { type ConfigChangeRecord, type ReplicaOutcome, toReplace } from "../config-change.ts";
import { configProblemInWords } from "./failure-words.ts";

/** Why a replica did not take a config, and why it could not go back. Empty: no problem. */
export function outcomeInWords({ problem, revertProblem }: Pick<ReplicaOutcome, "problem" | "revertProblem">): string {
  const [first, then] = [problem, revertProblem].map((one) => (one === undefined ? undefined : configProblemInWords(one)));
  if (then === undefined) return first ?? "";
  return first === undefined || first === then ? then : `${first}; then: ${then}`;
}

/** The longest text of one replica in a refusal. */
const reasonCharsMax = 300;

/** Why a change of config was refused. Replicas with the same reason are listed together. */
export function refusalInWords({ replicas }: ConfigChangeRecord): string {
  const refused = replicas
    .map((one) => ({ ...one, text: outcomeInWords(one) }))
    .filter(({ outcome, text }) => outcome === "REFUSED" || text !== "");
  if (refused.length === 0) return "the deployment was changed or deleted in the meantime";
  const reasons = new Map<string, string[]>();
  for (const { replicaId, text } of refused) reasons.set(text, [...(reasons.get(text) ?? []), replicaId]);
  const each = [...reasons].map(([reason, ids]) => {
    const names = ids.length > 3 ? `${ids.slice(0, 3).join(", ")} and ${ids.length - 3} more` : ids.join(", ");
    return `${names}: ${reason.slice(0, reasonCharsMax)}`;
  });
  const many = replicas.length === 1 ? "the replica" : `${refused.length} of ${replicas.length} replicas`;
  const replaced = toReplace({ replicas, step: "REFUSED" }).length > 0 ? ", or are replaced" : "";
  return `${many} refused it, and all keep the previous config${replaced}: ${each.join("; ")}`;
}
