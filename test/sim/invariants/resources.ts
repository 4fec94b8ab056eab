import type { ReplicaRecord } from "../../../src/core/replica.ts";
import type { Resources } from "../../../src/core/resources.ts";
import type { Deed, Facts, Look, Verdict, Written } from "./facts.ts";

interface Share {
  readonly resources: Resources;
  readonly gpuIndexes: readonly number[];
}

const wholeGpu = 1000;
const holding = new Set(["STARTING", "RUNNING", "DRAINING"]);

/** I8, in the records: what replicas were given is no more than there is. */
export function allocation(facts: Facts, { writes, look }: Written): Verdict {
  const puts = writes.flatMap((write) => ("put" in write && write.put === "replica" ? write.value : []));
  if (look === undefined || !puts.some(({ state }) => state === "STARTING")) return undefined;
  const records = new Map([...facts.ledger.replicas.values(), ...puts].map((replica) => [replica.id, replica]));
  const over = oversold(
    facts,
    [...records.values()].filter(({ state }) => holding.has(state)),
  );
  return over === undefined ? undefined : { invariant: "I8", text: `allocated: ${over}` };
}

/**
 * I8, on the machine: what living processes use and the one that starts will use is no more than
 * there is.
 */
export function usage(facts: Facts, { verb, replicaId }: Deed): Verdict {
  const starting = facts.ledger.replicas.get(replicaId);
  if (verb !== "start" || starting === undefined || !holding.has(starting.state)) return undefined;
  const over = oversold(facts, [...facts.engine.alive(), starting]);
  return over === undefined ? undefined : { invariant: "I8", text: `used once ${replicaId} starts: ${over}` };
}

/**
 * Whether there is room for one more, and was when the tick began: what was freed since may not be
 * known yet.
 */
export function fits(facts: Facts, wanted: Resources, look: Look): boolean {
  const heldThen = ({ state, sinceMs, node }: ReplicaRecord) => holding.has(state) || (node !== undefined && sinceMs >= look.atMs);
  const records = [...facts.ledger.replicas.values()].filter(heldThen);
  const known = new Set(records.map(({ id }) => id));
  const held = [...records, ...facts.engine.alive().filter(({ replicaId }) => !known.has(replicaId))];
  const { cpuMilli, memoryBytes, gpuCount } = facts.engine.capacity;
  if (sum(held, "cpuMilli") + wanted.cpuMilli > cpuMilli || sum(held, "memoryBytes") + wanted.memoryBytes > memoryBytes) return false;
  const each = Math.min(wanted.gpuMilli, wholeGpu);
  const roomy = Array.from({ length: gpuCount }, (_, index) => gpuUse(held, index)).filter((used) => used + each <= wholeGpu).length;
  return roomy >= Math.ceil(wanted.gpuMilli / wholeGpu);
}

function oversold(facts: Facts, held: readonly Share[]): string | undefined {
  const { cpuMilli, memoryBytes, gpuCount } = facts.engine.capacity;
  if (sum(held, "cpuMilli") > cpuMilli) return `${sum(held, "cpuMilli")} of ${cpuMilli} milli-CPUs`;
  if (sum(held, "memoryBytes") > memoryBytes) return `${sum(held, "memoryBytes")} of ${memoryBytes} bytes`;
  for (let index = 0; index < gpuCount; index++) {
    const used = gpuUse(held, index);
    if (used > wholeGpu) return `${used} of ${wholeGpu} of GPU ${index}`;
  }
  const wrong = held.find(
    ({ resources, gpuIndexes }) =>
      new Set(gpuIndexes).size !== Math.ceil(resources.gpuMilli / wholeGpu) || gpuIndexes.some((index) => index >= gpuCount),
  );
  return wrong && `GPUs ${wrong.gpuIndexes.join(", ")} of ${gpuCount} given for ${wrong.resources.gpuMilli} thousandths`;
}

function sum(held: readonly Share[], amount: "cpuMilli" | "memoryBytes"): number {
  return held.reduce((total, { resources }) => total + resources[amount], 0);
}

function gpuUse(held: readonly Share[], index: number): number {
  const users = held.filter(({ gpuIndexes }) => gpuIndexes.includes(index));
  return users.reduce((total, { resources }) => total + Math.min(resources.gpuMilli, wholeGpu), 0);
}
