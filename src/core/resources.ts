/** Amounts of a machine's resources as exact integers. */
export interface Resources {
  /** Thousandths of a CPU. */
  readonly cpuMilli: number;
  /** Thousandths of a GPU: below 1000 a share of one, else a multiple of 1000. */
  readonly gpuMilli: number;
  readonly memoryBytes: number;
}

/** What a machine has. GPUs are numbered from 0 by `gpuCount`. */
export interface Capacity {
  readonly cpuMilli: number;
  readonly gpuCount: number;
  readonly memoryBytes: number;
}
