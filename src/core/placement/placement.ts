import { type ActingTime, elapsedMs } from "../acting-time.ts";
import {
  type Amounts,
  type Capacity,
  type Free,
  free,
  gpusWanted,
  type Holding,
  less,
  milliOfEachGpu,
  type Resources,
  wholeGpuMilli,
} from "../resources.ts";
import type { Shortage, Wait } from "../wait.ts";

/** A replica that waits for resources. */
export interface PendingReplica {
  readonly id: string;
  readonly resources: Resources;
  /** When the replica was created. */
  readonly createdAtMs: number;
}

/** Compares two replicas by the order in which they are served: of creation, then of their ids. */
export function byCreation(a: Omit<PendingReplica, "resources">, b: Omit<PendingReplica, "resources">): number {
  return a.createdAtMs - b.createdAtMs || (a.id < b.id ? -1 : 1);
}

export interface Placement {
  /** Replicas that may start now, and their GPUs. */
  readonly placed: readonly { readonly id: string; readonly gpuIndexes: readonly number[] }[];
  /** Replicas that wait, and why. */
  readonly waiting: readonly { readonly id: string; readonly wait: Wait }[];
}

/** How long smaller replicas may pass a waiting one before resources are kept for it. */
export const patienceMs = 10_000;
/**
 * The longest turn: the time for which free resources are kept for a replica, or are open to all.
 */
export const turnMaxMs = patienceMs * 2 ** 5;

/**
 * Decides which of the pending replicas start now. `pending` is in the order of {@link byCreation},
 * and is served in that order. A replica that does not fit is passed by later ones that do.
 * Resources are never oversold.
 *
 * Small replicas must not starve a large one, nor the other way round. So there are turns, counted
 * from the creation of the replica that has waited longest. After `patienceMs`, free resources are
 * kept for a waiting replica for 10 s, then open to all for 20 s, kept for 40 s, open for 80 s, and
 * so on up to `turnMaxMs`, then alternating at that length. A replica that needs several others to
 * end gets its chance if they end within one turn. Replicas that wait for different amounts take
 * the kept turns one after the other. A replica that does not fit an empty machine has no turn.
 */
export function place(input: {
  readonly pending: readonly PendingReplica[];
  readonly held: readonly Holding[];
  readonly capacity: Capacity;
  readonly time: ActingTime;
}): Placement {
  const { pending, capacity, time } = input;
  const empty = free(capacity, []);
  let left = free(capacity, input.held);
  const favoured = whoseTurn(pending, left, empty, time);
  let offered = left; // what replicas behind the favoured one may take
  const placed: { id: string; gpuIndexes: readonly number[] }[] = [];
  const waiting: { id: string; resources: Resources }[] = [];
  let keptFor = "";
  for (const replica of pending) {
    const gpuIndexes = gpusFor(replica.resources, offered);
    if (gpuIndexes) {
      placed.push({ id: replica.id, gpuIndexes });
      left = take(left, replica.resources, gpuIndexes);
      offered = take(offered, replica.resources, gpuIndexes);
      continue;
    }
    waiting.push(replica);
    if (replica.id === favoured) {
      keptFor = replica.id;
      offered = keep(offered, replica.resources);
    }
  }
  return { placed, waiting: waiting.map(({ id, resources }) => ({ id, wait: waitOf(resources, left, capacity, empty, keptFor) })) };
}

/** Whether a replica that wants `wanted` could start in addition to `held`. */
export function fits(wanted: Resources, held: readonly Holding[], capacity: Capacity): boolean {
  return gpusFor(wanted, free(capacity, held)) !== undefined;
}

/** The replica for which free resources are kept now, if any. */
function whoseTurn(pending: readonly PendingReplica[], left: Free, empty: Free, time: ActingTime): string | undefined {
  const firstOfEachSize = new Map<string, PendingReplica>();
  for (const replica of pending) {
    const { resources } = replica;
    if (elapsedMs(replica.createdAtMs, time) < patienceMs || gpusFor(resources, left) || !gpusFor(resources, empty)) continue;
    const custom = JSON.stringify(Object.entries(resources.custom ?? {}).sort());
    const size = `${resources.cpuMilli}/${resources.gpuMilli}/${resources.memoryBytes}/${custom}`;
    if (!firstOfEachSize.has(size)) firstOfEachSize.set(size, replica);
  }
  const candidates = [...firstOfEachSize.values()];
  const turn = turnAfter(Math.max(...candidates.map((replica) => elapsedMs(replica.createdAtMs, time))));
  return turn % 2 === 0 ? candidates[(turn / 2) % candidates.length]?.id : undefined;
}

/**
 * The number of the turn after `waitedMs`, from 0 at `patienceMs`. Resources are kept in even
 * turns.
 */
function turnAfter(waitedMs: number): number {
  if (waitedMs < patienceMs) return -1;
  if (waitedMs < turnMaxMs) return Math.floor(Math.log2(waitedMs / patienceMs));
  return Math.log2(turnMaxMs / patienceMs) - 1 + Math.floor(waitedMs / turnMaxMs);
}

/**
 * The GPUs for a replica, lowest index first. Undefined: the replica does not fit. A share goes to
 * the fullest GPU with room, so that whole GPUs stay free.
 */
function gpusFor(wanted: Resources, left: Free): readonly number[] | undefined {
  if (wanted.cpuMilli > left.cpuMilli || wanted.memoryBytes > left.memoryBytes || lacking(wanted, left.custom).length > 0) return undefined;
  const count = gpusWanted(wanted);
  if (count === 0) return [];
  const milli = milliOfEachGpu(wanted);
  const indexes = byRoom(left, (room) => room >= milli).slice(0, count);
  return indexes.length === count ? indexes.sort((a, b) => a - b) : undefined;
}

/** Indexes of the GPUs whose room passes `wanted`: the fullest first, then the lowest index. */
function byRoom({ gpuMilli }: Free, wanted: (room: number) => boolean): number[] {
  return [...gpuMilli.keys()].filter((index) => wanted(gpuMilli[index]!)).sort((a, b) => gpuMilli[a]! - gpuMilli[b]! || a - b);
}

/** Names of the custom resources of which more is wanted than is left. */
function lacking({ custom = {} }: Resources, left: Amounts): readonly string[] {
  return Object.keys(custom).filter((name) => amountOf(custom, name) > amountOf(left, name));
}

const amountOf = (amounts: Amounts = {}, name: string): number => (Object.hasOwn(amounts, name) ? (amounts[name] ?? 0) : 0);

function take(left: Free, wanted: Resources, gpuIndexes: readonly number[]): Free {
  const milli = milliOfEachGpu(wanted);
  return {
    cpuMilli: Math.max(0, left.cpuMilli - wanted.cpuMilli),
    memoryBytes: Math.max(0, left.memoryBytes - wanted.memoryBytes),
    custom: less(left.custom, wanted.custom ?? {}),
    gpuMilli: left.gpuMilli.map((room, index) => (gpuIndexes.includes(index) ? Math.max(0, room - milli) : room)),
  };
}

/**
 * What is left after everything that `wanted` could use is set aside. Of the GPUs, the emptiest are
 * set aside, whole.
 */
function keep(left: Free, wanted: Resources): Free {
  const emptiest = byRoom(left, () => true).slice(-gpusWanted(wanted) || left.gpuMilli.length);
  return take(left, { ...wanted, gpuMilli: wanted.gpuMilli && wholeGpuMilli }, emptiest);
}

/**
 * Why a replica waits: it can never start here, something is short, or free resources are kept for
 * another replica.
 */
function waitOf(wanted: Resources, left: Free, capacity: Capacity, empty: Free, keptFor: string): Wait {
  if (!gpusFor(wanted, empty)) return { kind: "neverFits", short: shortages(wanted, empty, capacity) };
  const short = shortages(wanted, left, capacity);
  return short.length > 0 ? { kind: "resources", short } : { kind: "turn", keptFor };
}

function shortages(wanted: Resources, left: Free, capacity: Capacity): readonly Shortage[] {
  const short: Shortage[] = [];
  if (wanted.cpuMilli > left.cpuMilli)
    short.push({ resource: "cpu", wanted: wanted.cpuMilli, free: left.cpuMilli, total: capacity.cpuMilli });
  if (!gpusFor({ cpuMilli: 0, memoryBytes: 0, gpuMilli: wanted.gpuMilli }, left)) short.push(gpuShortage(wanted, left));
  if (wanted.memoryBytes > left.memoryBytes)
    short.push({ resource: "memory", wanted: wanted.memoryBytes, free: left.memoryBytes, total: capacity.memoryBytes });
  for (const name of lacking(wanted, left.custom)) {
    const [wants = 0, free = 0, total = 0] = [wanted.custom, left.custom, capacity.custom].map((amounts) => amountOf(amounts, name));
    short.push({ resource: "custom", name, wanted: wants, free, total });
  }
  return short;
}

function gpuShortage({ gpuMilli: wanted }: Resources, { gpuMilli }: Free): Shortage {
  const whole = gpuMilli.filter((room) => room === wholeGpuMilli).length * wholeGpuMilli;
  const free = wanted < wholeGpuMilli ? Math.max(0, ...gpuMilli) : whole;
  return { resource: "gpu", wanted, free, total: gpuMilli.length * wholeGpuMilli };
}
