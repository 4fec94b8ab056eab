import { type ConfigChangeRecord, configOf, isOver } from "../../../src/core/config-change.ts";
import type { DeploymentRecord } from "../../../src/core/deployment.ts";
import type { ReplicaRecord } from "../../../src/core/replica.ts";
import type { Facts, Verdict, Written } from "./facts.ts";

/**
 * I5. When a change of config is over, all replicas that run serve by the config that is committed, whichever that is; and none
 * begins to run with another. Those of an older revision have theirs until they are replaced; those whose process has ended, or hangs, serve by none.
 */
export function oneConfig(facts: Facts, { writes, look }: Written): Verdict {
  if (look === undefined) return undefined;
  const puts = writes.flatMap((write) => ("put" in write ? write : []));
  const over = puts.flatMap((write) => (write.put === "change" && isOver(write.value as ConfigChangeRecord) ? write.key : []));
  const begin = puts.flatMap((write) => {
    const value = write.put === "replica" ? (write.value as ReplicaRecord) : undefined;
    return value?.state === "RUNNING" && facts.ledger.replicas.get(write.key)?.state === "STARTING" ? value : [];
  });
  for (const name of over) {
    const put = puts.find((write) => write.put === "deployment" && write.key === name)?.value as DeploymentRecord | undefined;
    const moved = new Map(puts.flatMap((write) => (write.put === "replica" ? [[write.key, write.value as ReplicaRecord]] : [])));
    const replicas = facts.ledger.of(name).map((replica) => moved.get(replica.id) ?? replica);
    const wrong = othersOf(facts, put ?? facts.ledger.deployments.get(name), replicas);
    if (wrong !== undefined) return { invariant: "I5", text: `the change of ${name} is over: ${wrong}` };
  }
  for (const replica of begin) {
    const wrong = othersOf(facts, facts.ledger.deployments.get(replica.deployment), [replica]);
    if (wrong !== undefined) return { invariant: "I5", text: `begins to run: ${wrong}` };
  }
  return undefined;
}

/** A replica of the wanted revision that runs and serves by another config than the committed one. */
export function othersOf(
  facts: Pick<Facts, "engine" | "behaviours">,
  deployment: DeploymentRecord | undefined,
  replicas: readonly ReplicaRecord[],
): string | undefined {
  if (deployment === undefined || deployment.deletingSinceMs !== undefined) return undefined;
  const config = configOf(deployment.spec, deployment.configGeneration);
  const serves = ({ id, state, uid, revision }: ReplicaRecord) =>
    state === "RUNNING" &&
    uid === deployment.uid &&
    revision === deployment.revision &&
    facts.engine.serves(id) &&
    facts.behaviours.of(id).hangsSinceMs === undefined;
  const wrong = replicas.find((replica) => serves(replica) && !facts.behaviours.configs.serves(replica.id, config));
  return wrong && `${wrong.id} serves by ${JSON.stringify(facts.behaviours.configs.of(wrong.id))}, committed is ${JSON.stringify(config)}`;
}
