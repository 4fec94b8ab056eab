import type { DeploymentRecord } from "../../src/core/deployment.ts";
import { conditionsOf } from "../../src/core/rollout/conditions.ts";
import { statusOf } from "../../src/core/rollout/status.ts";
import { isForRoom } from "../../src/core/wait.ts";
import { statusInWords } from "../../src/core/words/status-words.ts";
import { othersOf } from "./invariants/config.ts";
import type { Verdict } from "./invariants/facts.ts";
import { type Operators, schedulesOverAtMs } from "./operators.ts";
import type { SimulatedWorld } from "./simulated-world.ts";

/**
 * How long everything may take to come to rest without requests of operators and without faults.
 */
export const settleMaxMs = 400_000;
/** How long nothing may be written, so that it counts as rest. */
const restMs = 16_000;
/** The longest request and the longest look-back, together. */
const calmAfterMs = 40_000;

/**
 * I10. With no new input it settles: every deployment has what was wanted, and nothing more is
 * written; or it has not, says why, and that is true: its program is bad, or there is no room.
 */
export async function settles(world: SimulatedWorld, operators: Operators): Promise<Verdict> {
  const { clock, witness } = world;
  const untilMs = clock.nowMs() + settleMaxMs;
  // Requests in work end by then, and with them the load: from then on nothing asks for more
  // replicas.
  const calmFromMs = Math.max(clock.nowMs() + calmAfterMs, schedulesOverAtMs);
  let trouble = "";
  while (clock.nowMs() < untilMs && witness.alarm === undefined) {
    const deeds = witness.deeds;
    const answered = await operators.insist();
    await clock.pass(restMs);
    const states = [...witness.ledger.deployments.keys()].map((name) => stateOf(world, name));
    trouble = answered ? states.flatMap(({ wrong }) => wrong ?? []).join("; ") : "requests are not answered";
    const flapping = [...witness.raisedAtMs].find(([name, atMs]) => atMs > calmFromMs && witness.ledger.deployments.has(name))?.[0];
    if (flapping !== undefined) return { invariant: "I10", text: `more replicas of ${flapping} are wanted, though there is no load` };
    if (trouble !== "") continue;
    if (witness.deeds === deeds) return undefined;
    if (states.some(({ excused }) => excused)) return undefined;
    trouble = "it goes on writing";
  }
  return { invariant: "I10", text: `not settled after ${settleMaxMs / 1000} s: ${trouble}` };
}

/**
 * What is wrong with a deployment, or whether it does not have what was wanted for a good reason.
 */
function stateOf(world: SimulatedWorld, name: string): { readonly wrong?: string; readonly excused: boolean } {
  const { ledger } = world.witness;
  const deployment = ledger.deployments.get(name);
  if (deployment === undefined) return { excused: false };
  const replicas = ledger.of(name);
  const kept = ledger.objects.get(`progress/${name}`);
  const progress = kept === undefined ? undefined : JSON.parse(kept);
  const status = statusOf(deployment, progress, replicas);
  const conditions = conditionsOf(deployment, progress, replicas, { kind: "engine" });
  const { state } = status;
  const says = (...types: readonly (typeof conditions)[number]["type"][]) => conditions.some(({ type }) => types.includes(type));
  const { program } = deployment.spec;
  const numReplicas = deployment.autoscaled?.target ?? deployment.spec.numReplicas;
  const running = replicas.filter((replica) => replica.state === "RUNNING" && replica.revision === deployment.revision);
  const serving = running.filter(({ id }) => world.engine.serves(id) && world.behaviours.of(id).hangsSinceMs === undefined);
  if (deployment.changing !== undefined) return { excused: false, wrong: `${name} is still being given another config` };
  const other = othersOf(world, deployment, replicas);
  if (other !== undefined) return { excused: false, wrong: other };
  if (state === "HEALTHY") {
    const spare = wrongWithoutLoad(deployment);
    if (spare !== undefined) return { excused: false, wrong: spare };
    const whole = running.length === numReplicas && serving.length === numReplicas;
    return whole ? { excused: false } : { excused: false, wrong: `${name} is HEALTHY with ${serving.length} of ${numReplicas} serving` };
  }
  const { failedRollout, pausedSinceMs } = deployment;
  // Gone back to what ran before, it runs in full again; paused, something runs in full.
  const all = replicas.filter((replica) => replica.state === "RUNNING" && world.engine.serves(replica.id));
  const told = says(failedRollout === undefined ? "ROLLOUT_PAUSED" : "ROLLED_BACK");
  if ((failedRollout ?? pausedSinceMs) !== undefined && told && all.length >= numReplicas) return { excused: false };
  const bad = program.kind === "command" && program.argv[0] !== "good";
  if (bad && (state === "DEPLOY_FAILED" || pausedSinceMs !== undefined) && says("STARTS_FAILING", "ROLLOUT_FAILED", "ROLLED_BACK"))
    return { excused: true };
  const waits = replicas.find(
    (replica) => replica.state === "PENDING" && (replica.revision === deployment.revision || pausedSinceMs !== undefined),
  );
  if (waits?.waits !== undefined && isForRoom(waits.waits) && says("NO_CAPACITY")) return { excused: true };
  return { excused: false, wrong: `${name} is ${state}: ${statusInWords(deployment, status, conditions)}` };
}

/** Without load a deployment has its `min_replicas`, or its `buffer_replicas` if those are more; none, if it may have none. */
function wrongWithoutLoad({ spec: { name, autoscalingConfig }, autoscaled, pausedSinceMs }: DeploymentRecord): string | undefined {
  if (autoscalingConfig === undefined || pausedSinceMs !== undefined) return undefined;
  const { minReplicas, maxReplicas, bufferReplicas = 0 } = autoscalingConfig;
  const wanted = minReplicas === 0 ? 0 : Math.min(maxReplicas, Math.max(minReplicas, bufferReplicas));
  const target = autoscaled?.target;
  return target === wanted ? undefined : `${name} wants ${target} replicas without load, not ${wanted}`;
}
