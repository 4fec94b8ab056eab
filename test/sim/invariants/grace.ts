import type { Deed, Facts, Verdict } from "./facts.ts";

/** I2. No replica with requests in work is terminated or killed before it drained for its whole grace period. */
export function grace({ nowMs, ledger, engine, behaviours, stopping }: Facts, { verb, replicaId, look }: Deed): Verdict {
  const { ongoing } = behaviours.of(replicaId);
  if ((verb !== "terminate" && verb !== "kill") || ongoing === 0 || engine.find(replicaId)?.state !== "alive") return undefined;
  if (stopping.has(look.controller)) return undefined;
  const replica = ledger.replicas.get(replicaId);
  const graces = replica === undefined ? [] : ledger.since(replica.deployment, look.position);
  const drainedMs = replica?.state === "DRAINING" ? nowMs - replica.sinceMs : 0;
  if (graces.some((deployment) => drainedMs >= (deployment?.spec.gracefulShutdownTimeoutMs ?? Number.POSITIVE_INFINITY))) return undefined;
  return { invariant: "I2", text: `${verb} of ${replicaId} (${replica?.state}) with ${ongoing} ongoing after ${drainedMs} ms of drain` };
}
