import { type DecisionRecord, decisionsKept, type Verdict } from "../core/decision.ts";
import type { Mirror } from "./mirror.ts";
import { partKey, type Write } from "./store.ts";

/** The decision, numbered; those that need not be kept any more go. */
export function decisionWrites(
  mirror: Mirror,
  { deployment, uid }: { readonly deployment: string; readonly uid: string },
  verdict: Verdict,
  nowMs: number,
): readonly Write[] {
  const kept = mirror.decisionsOf(deployment);
  const number = (kept.at(-1)?.value.number ?? 0) + 1;
  const value: DecisionRecord = { ...verdict, uid, deployment, number, atMs: nowMs };
  const surplus = kept.slice(0, Math.max(0, kept.length + 1 - decisionsKept));
  return [
    { put: "decision", key: partKey(deployment, number), version: 0, value },
    ...surplus.map(({ key, version }): Write => ({ delete: "decision", key, version })),
  ];
}
