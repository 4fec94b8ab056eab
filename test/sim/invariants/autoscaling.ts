import type { Facts, Verdict, Written } from "./facts.ts";

/** A report is older than this: three intervals of one second, and as much again for the tick. */
const staleMs = 4_500;

/**
 * I3. The autoscaler removes no replica while the load of a running replica is unknown, or its
 * report is stale. The bounds are always kept, unless another write changed them since the tick's
 * observation.
 */
export function autoscaling(facts: Facts, { writes, look, askedAtMs }: Written): Verdict {
  if (look === undefined) return undefined;
  for (const write of writes) {
    if (!("put" in write) || write.put !== "deployment") continue;
    const { autoscaled, spec } = write.value;
    const before = facts.ledger.deployments.get(write.key);
    if (autoscaled === undefined || before?.autoscaled === undefined || spec.autoscalingConfig === undefined) continue;
    if (autoscaled.target === before.autoscaled.target) continue;
    const { minReplicas, maxReplicas } = spec.autoscalingConfig;
    if (autoscaled.target < Math.min(minReplicas, maxReplicas) || autoscaled.target > maxReplicas)
      return { invariant: "I3", text: `${write.key} is to have ${autoscaled.target}, the bounds are ${minReplicas} and ${maxReplicas}` };
    // A schedule of bounds that were changed takes it down without asking for the load.
    if (autoscaled.target > before.autoscaled.target || before.autoscaled.target > maxReplicas) continue;
    const silent = facts.ledger.of(write.key).find(({ id, state, sinceMs }) => {
      const { silentSinceMs = askedAtMs, lateSinceMs = askedAtMs, hangsSinceMs = askedAtMs } = facts.behaviours.of(id);
      const isUnheard = silentSinceMs < askedAtMs || askedAtMs - Math.min(lateSinceMs, hangsSinceMs) > staleMs;
      return state === "RUNNING" && askedAtMs - sinceMs > 1_000 && facts.engine.find(id)?.state === "alive" && isUnheard;
    });
    if (silent !== undefined)
      return {
        invariant: "I3",
        text: `${write.key} went from ${before.autoscaled.target} to ${autoscaled.target} while ${silent.id} was not heard of`,
      };
  }
  return undefined;
}
