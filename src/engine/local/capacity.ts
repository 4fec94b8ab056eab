import { execFile } from "node:child_process";
import { availableParallelism, totalmem } from "node:os";
import type { Amounts, Capacity } from "../../core/resources.ts";
import { cgroupMemoryBytes } from "./cgroups.ts";
import { memoryLimit } from "./memory.ts";

/** Bound on the GPU query, so that a driver that hangs does not block the start. */
const gpuQueryMs = 5_000;

/**
 * The capacity of this machine. `cpus` (fractions allowed) and `gpus` override what is detected.
 */
export async function detectCapacity(given: {
  readonly cpus?: number;
  readonly gpus?: number;
  readonly custom?: Amounts;
  /** Whether the kernel enforces the memory bound of replicas (`Cgroups`). */
  readonly memoryByKernel?: boolean;
}): Promise<Capacity> {
  return {
    cpuMilli: Math.round((given.cpus ?? availableParallelism()) * 1000),
    gpuCount: given.gpus ?? visibleGpus(process.env.CUDA_VISIBLE_DEVICES)?.length ?? (await countGpus()),
    // Node reads only the cgroup itself, not its parents.
    memoryBytes: Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY, cgroupMemoryBytes()),
    custom: given.custom ?? {},
    memoryLimit: memoryLimit(given.memoryByKernel ?? false),
  };
}

/** The GPUs that `CUDA_VISIBLE_DEVICES` names; undefined: the variable is not set. */
export function visibleGpus(setting: string | undefined): readonly string[] | undefined {
  return setting?.split(",").flatMap((name) => (name.trim() === "" ? [] : name.trim()));
}

/** The number of GPUs that NVIDIA's driver lists; 0 without a driver, or if it does not answer. */
function countGpus(): Promise<number> {
  return new Promise((resolve) => {
    execFile("nvidia-smi", ["-L"], { timeout: gpuQueryMs, killSignal: "SIGKILL" }, (error, stdout) =>
      resolve(error ? 0 : stdout.split("\n").filter((line) => line.startsWith("GPU ")).length),
    );
  });
}
