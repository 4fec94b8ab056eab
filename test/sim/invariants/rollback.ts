import type { Facts, Verdict, Written } from "./facts.ts";

/** I6. A leader that changes what is wanted goes only to a version that once was all there was, and running; and never from a rollback. */
export function rollback({ ledger }: Facts, { writes, look }: Written): Verdict {
  if (look === undefined) return undefined;
  for (const write of writes) {
    if (!("put" in write) || write.put !== "deployment") continue;
    const { uid, spec } = write.value;
    const before = ledger.deployments.get(write.key);
    if (before?.rolledBackAtMs !== undefined && before.revision !== write.value.revision)
      return { invariant: "I6", text: `${write.key} was rolled back from revision ${before.revision}, which was gone back to` };
    if (spec.version === before?.spec.version || ledger.everWhole.has(`${uid}/${spec.version}`)) continue;
    return { invariant: "I6", text: `${write.key} was put to version ${spec.version}, which never was whole` };
  }
  return undefined;
}
