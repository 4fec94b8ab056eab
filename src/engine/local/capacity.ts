import { execFile } from "node:child_process";
import { availableParallelism, totalmem } from "node:os";
import type { Amounts, Capacity } from "../../core/resources.ts";
import { cgroupMemoryBytes } from "./cgroups.ts";
import { memoryLimit } from "./memory.ts";

/** A driver that hangs must not hold up the start. */
const gpuQueryMs = 5_000;

/** What this machine has; CPUs (fractions allowed) and GPUs as given, where they are. */
export async function detectCapacity(given: {
  readonly cpus?: number;
  readonly gpus?: number;
  readonly custom?: Amounts;
  /** Whether the kernel holds replicas to their memory (`Cgroups`). */
  readonly memoryByKernel?: boolean;
}): Promise<Capacity> {
  return {
    cpuMilli: Math.round((given.cpus ?? availableParallelism()) * 1000),
    gpuCount: given.gpus ?? visibleGpus(process.env.CUDA_VISIBLE_DEVICES)?.length ?? (await countGpus()),
    // Node looks only at the cgroup itself, not at those above.
    memoryBytes: Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY, cgroupMemoryBytes()),
    custom: given.custom ?? {},
    memoryLimit: memoryLimit(given.memoryByKernel ?? false),
  };
}

/** The GPUs that `CUDA_VISIBLE_DEVICES` leaves to us, by the names it gives them; undefined: it is not set. */
export function visibleGpus(setting: string | undefined): readonly string[] | undefined {
  return setting?.split(",").flatMap((name) => (name.trim() === "" ? [] : name.trim()));
}

/** The GPUs that NVIDIA's driver lists; 0 where there is none or it does not answer. */
function countGpus(): Promise<number> {
  return new Promise((resolve) => {
    execFile("nvidia-smi", ["-L"], { timeout: gpuQueryMs, killSignal: "SIGKILL" }, (error, stdout) =>
      resolve(error ? 0 : stdout.split("\n").filter((line) => line.startsWith("GPU ")).length),
    );
  });
}
