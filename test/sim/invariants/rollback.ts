import type { Facts, Verdict, Written } from "./facts.ts";

/** I6. A leader that changes what is wanted goes only to a version that once was all there was, and running. */
export function rollback({ ledger }: Facts, { writes, look }: Written): Verdict {
  if (look === undefined) return undefined;
  for (const write of writes) {
    if (!("put" in write) || write.put !== "deployment") continue;
    const { uid, spec } = write.value;
    if (spec.version === ledger.deployments.get(write.key)?.spec.version || ledger.everWhole.has(`${uid}/${spec.version}`)) continue;
    return { invariant: "I6", text: `${write.key} was put to version ${spec.version}, which never was whole` };
  }
  return undefined;
}
