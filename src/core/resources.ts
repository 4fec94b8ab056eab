/** Amounts of a machine's resources as exact integers. */
export interface Resources {
  /** Thousandths of a CPU. */
  readonly cpuMilli: number;
  /** Thousandths of a GPU: below 1000 a share of one, else a multiple of 1000. */
  readonly gpuMilli: number;
  readonly memoryBytes: number;
  /** Thousandths of resources that the operator named. Unset: none. */
  readonly custom?: Amounts;
}

/** Amounts by name. */
export type Amounts = Readonly<Record<string, number>>;

/** What a machine has. GPUs are numbered from 0 by `gpuCount`. */
export interface Capacity {
  readonly cpuMilli: number;
  readonly gpuCount: number;
  readonly memoryBytes: number;
  /** As in `Resources`. */
  readonly custom?: Amounts;
  /** How a replica's memory is limited, for people. Unset: memory is only counted. */
  readonly memoryLimit?: string;
}

/** What one replica holds: amounts, and the GPUs they belong to. */
export interface Holding {
  readonly resources: Resources;
  readonly gpuIndexes: readonly number[];
}

/** What is left of a machine. Never below 0, even if more is held than exists. */
export interface Free {
  readonly cpuMilli: number;
  /** Thousandths left of each GPU, by index. */
  readonly gpuMilli: readonly number[];
  readonly memoryBytes: number;
  readonly custom: Amounts;
}

/** One whole GPU. */
export const wholeGpuMilli = 1000;

/** Thousandths that a replica takes of each of its GPUs: a share of one GPU, or all of each. */
export function milliOfEachGpu(resources: Resources): number {
  return Math.min(resources.gpuMilli, wholeGpuMilli);
}

/** How many GPUs a replica uses: none, one that may be shared, or several whole GPUs. */
export function gpusWanted(resources: Pick<Resources, "gpuMilli">): number {
  return Math.ceil(resources.gpuMilli / wholeGpuMilli);
}

/** Whether `holding` includes everything in `wanted`. */
export function covers(holding: Resources, wanted: Resources): boolean {
  const { cpuMilli, gpuMilli, memoryBytes, custom = {} } = wanted;
  const named = Object.entries(custom).every(
    ([name, milli]) => milli <= (Object.hasOwn(holding.custom ?? {}, name) ? (holding.custom?.[name] ?? 0) : 0),
  );
  return named && cpuMilli <= holding.cpuMilli && gpuMilli <= holding.gpuMilli && memoryBytes <= holding.memoryBytes;
}

/** The sum of what is held. */
export function allocated(held: readonly Pick<Holding, "resources">[]): Required<Resources> {
  let [cpuMilli, gpuMilli, memoryBytes] = [0, 0, 0];
  const custom = new Map<string, number>();
  for (const { resources } of held) {
    cpuMilli += resources.cpuMilli;
    gpuMilli += resources.gpuMilli;
    memoryBytes += resources.memoryBytes;
    for (const [name, milli] of Object.entries(resources.custom ?? {})) custom.set(name, (custom.get(name) ?? 0) + milli);
  }
  return { cpuMilli, gpuMilli, memoryBytes, custom: Object.fromEntries(custom) };
}

/** What is left of `capacity`. Held GPUs that the machine no longer has are ignored. */
export function free(capacity: Capacity, held: readonly Holding[]): Free {
  const taken = allocated(held);
  const gpuMilli = Array<number>(capacity.gpuCount).fill(wholeGpuMilli);
  for (const { resources, gpuIndexes } of held) {
    for (const index of gpuIndexes) {
      const left = gpuMilli[index];
      if (left !== undefined) gpuMilli[index] = Math.max(0, left - milliOfEachGpu(resources));
    }
  }
  return {
    cpuMilli: Math.max(0, capacity.cpuMilli - taken.cpuMilli),
    gpuMilli,
    memoryBytes: Math.max(0, capacity.memoryBytes - taken.memoryBytes),
    custom: less(capacity.custom ?? {}, taken.custom),
  };
}

/** `amounts` minus `taken`, never below 0. */
export function less(amounts: Amounts, taken: Amounts): Amounts {
  return Object.fromEntries(
    Object.entries(amounts).map(([name, milli]) => [name, Math.max(0, milli - (Object.hasOwn(taken, name) ? (taken[name] ?? 0) : 0))]),
  );
}

/** Thousandths as a decimal: 1500 is `1.5`. */
export function formatMilli(milli: number): string {
  return String(milli / 1000);
}

const byteUnits = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];

/**
 * An amount of memory for people, in the largest unit that fits, with at most two decimals: `1.5
 * GiB`.
 */
export function formatBytes(bytes: number): string {
  let [amount, unit] = [bytes, 0];
  while (amount >= 1024 && unit < byteUnits.length - 1) [amount, unit] = [amount / 1024, unit + 1];
  return `${Number(amount.toFixed(2))} ${byteUnits[unit]}`;
}
