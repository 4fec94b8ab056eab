import { toReplace } from "../../../src/core/config-change.ts";
import type { DeploymentRecord } from "../../../src/core/deployment.ts";
import { isAvailable, type ReplicaRecord } from "../../../src/core/replica.ts";
import type { Facts, Look, Verdict, Written } from "./facts.ts";
import { fits } from "./resources.ts";

/** What one commit does to the replicas of one deployment. */
interface Step {
  readonly name: string;
  readonly lost: ReadonlySet<string>;
  readonly before: readonly ReplicaRecord[];
  readonly after: readonly ReplicaRecord[];
  readonly look: Look;
}

/**
 * I1. A controller takes a healthy running replica away only if enough available ones are left, by
 * the deployment's own percentages: all N while its revision never ran or its rollout is paused,
 * one less where the next one finds no room or no surge is allowed. It asks for and starts no more
 * than there may be. Failures of replicas are not decisions, and do not count against it. N is any
 * target since it began its observation.
 */
export function availability(facts: Facts, { writes, look }: Written): Verdict {
  if (look === undefined) return undefined;
  const puts = writes.flatMap((write) => ("put" in write && write.put === "replica" ? write.value : []));
  for (const name of new Set(puts.map(({ deployment }) => deployment))) {
    const before = facts.ledger.of(name);
    const changed = new Map([...before, ...puts.filter(({ deployment }) => deployment === name)].map((replica) => [replica.id, replica]));
    // A replica that did not answer in a config change, or could not go back, is not healthy,
    // whatever was observed.
    const replaced = writes.flatMap((write) => ("put" in write && write.put === "change" ? toReplace(write.value) : []));
    const lost = new Set(replaced.map(({ replicaId }) => replicaId));
    const step = { name, lost, before, after: [...changed.values()], look };
    const wanted = facts.ledger.since(name, look.position);
    const reasons = wanted.map((deployment) => tooFew(facts, step, deployment) ?? tooMany(step, deployment));
    if (reasons.every((reason) => reason !== undefined)) return { invariant: "I1", text: `${name}: ${reasons.at(-1)}` };
  }
  return undefined;
}

function targetOf(deployment: DeploymentRecord | undefined): number {
  if (deployment === undefined || deployment.deletingSinceMs !== undefined) return 0;
  return deployment.autoscaled?.target ?? deployment.spec.numReplicas;
}

function tooFew(facts: Facts, step: Step, deployment: DeploymentRecord | undefined): string | undefined {
  const { before, after, look, lost } = step;
  const target = targetOf(deployment);
  if (deployment === undefined || target === 0) return undefined;
  const states = new Map(after.map(({ id, state }) => [id, state]));
  const healthy = ({ id, state }: ReplicaRecord) =>
    state === "RUNNING" && look.alive.has(id) && !["refused", "unhealthy"].includes(look.contacts.get(id)?.answer ?? "unknown");
  const routable = (replica: ReplicaRecord) => healthy(replica) && look.contacts.get(replica.id)?.routable === true;
  // A replica that is given up because it was never connected is no loss if it has no process.
  const mute = ({ id }: ReplicaRecord) =>
    look.contacts.get(id)?.answer === "unknown" &&
    (facts.engine.find(id)?.state !== "alive" || facts.behaviours.of(id).hangsSinceMs !== undefined);
  const taken = before.filter(
    (replica) => !lost.has(replica.id) && healthy(replica) && !mute(replica) && states.get(replica.id) !== "RUNNING",
  );
  if (taken.length === 0) return undefined;
  const { maxUnavailablePercent, maxSurgePercent, minReadyTimeMs, strategy } = deployment.spec.rollout;
  const least = target - Math.floor((target * maxUnavailablePercent) / 100);
  const ran = facts.ledger.everRan.has(`${deployment.uid}/${deployment.revision}`);
  const oneFirst = maxSurgePercent === 0 || isShort(facts, step, deployment);
  const needed =
    deployment.pausedSinceMs !== undefined
      ? target
      : oneFirst
        ? strategy === "AUTO"
          ? Math.min(least, target - 1)
          : least
        : ran
          ? least
          : target;
  const time = { nowMs: facts.nowMs, actingSinceMs: Number.NEGATIVE_INFINITY };
  const ready = (replica: ReplicaRecord) => replica.revision !== deployment.revision || isAvailable(replica, minReadyTimeMs, time);
  const counts = [healthy, routable].map((is) => ({
    taken: taken.filter((replica) => is(replica) && ready(replica)).length,
    left: after.filter((replica) => is(replica) && ready(replica)).length,
  }));
  const wrong = counts.find(({ taken, left }) => taken > 0 && left < needed);
  return wrong && `${wrong.taken} taken away with ${wrong.left} left of ${needed} needed (target ${target})`;
}

/** Whether a replica of the wanted revision waits that finds no room. */
function isShort(facts: Facts, { before, look }: Step, deployment: DeploymentRecord): boolean {
  return before.some(
    ({ state, revision, resources }) => state === "PENDING" && revision === deployment.revision && !fits(facts, resources, look),
  );
}

function tooMany({ before, after }: Step, deployment: DeploymentRecord | undefined): string | undefined {
  const target = targetOf(deployment);
  const most = target + Math.ceil((target * (deployment?.spec.rollout.maxSurgePercent ?? 0)) / 100);
  const old = new Map(before.map(({ id, state }) => [id, state]));
  const serving = after.filter(({ state }) => state === "STARTING" || state === "RUNNING").length;
  const asked = serving + after.filter(({ state }) => state === "PENDING").length;
  const starts = after.some(({ id, state }) => state === "STARTING" && old.get(id) === "PENDING");
  if (starts && serving > most) return `${serving} running and starting, at most ${most} allowed (target ${target})`;
  const creates = after.some(({ id, state }) => state === "PENDING" && !old.has(id));
  return creates && asked > most ? `${asked} asked for, at most ${most} allowed (target ${target})` : undefined;
}
