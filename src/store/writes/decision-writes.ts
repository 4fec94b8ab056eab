import { type DecisionRecord, decisionsKept, type Verdict } from "../../core/decision.ts";
import type { DeploymentRecord } from "../../core/deployment.ts";
import type { Mirror } from "../mirror.ts";
import { partKey, type Write } from "../store.ts";

/** Writes a decision with the next number. Deletes surplus old decisions. */
export function decisionWrites(
  mirror: Mirror,
  { uid, spec: { name } }: Pick<DeploymentRecord, "uid" | "spec">,
  verdict: Verdict,
  nowMs: number,
): readonly Write[] {
  // Of any life of the name: two decisions must not have the same number.
  const kept = mirror.entriesOf("decision", name).toSorted((a, b) => a.value.number - b.value.number);
  const number = (kept.at(-1)?.value.number ?? 0) + 1;
  const value: DecisionRecord = { ...verdict, uid, deployment: name, number, atMs: nowMs };
  const surplus = kept.slice(0, Math.max(0, kept.length + 1 - decisionsKept));
  return [
    { put: "decision", key: partKey(name, number), version: 0, value },
    ...surplus.map(({ key, version }): Write => ({ delete: "decision", key, version })),
  ];
}
