import type { Program, RuntimeEnv } from "../../core/deployment.ts";
import type { Capacity } from "../../core/resources.ts";
import type { Assignment } from "../engine.ts";
import { visibleGpus } from "./capacity.ts";
import { heapMiB } from "./memory.ts";

/** What a replica learns from its environment. */
interface Given
  extends Pick<
    Assignment,
    "replicaId" | "deployment" | "revision" | "initArgs" | "maxOngoingRequests" | "resources" | "gpuIndexes" | "token"
  > {
  readonly envVars: RuntimeEnv["envVars"];
  readonly address: string;
}

/** Environment variables as a process has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The whole environment of a replica: the controller's without its own `DROVER_…`, then the spec's, then the contract's.
 * `OMP_NUM_THREADS`: the spec's, else the controller's, else the whole CPUs it holds, at least 1.
 * `CUDA_VISIBLE_DEVICES` is the engine's where the machine has GPUs, so that a replica sees those it holds and no other.
 */
export function replicaEnv(assignment: Given, ambient: Environment, capacity: Capacity): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(ambient)) if (value !== undefined && !name.startsWith("DROVER_")) env[name] = value;
  Object.assign(env, assignment.envVars);
  env.OMP_NUM_THREADS ??= String(Math.max(1, Math.floor(assignment.resources.cpuMilli / 1000)));
  const names = visibleGpus(ambient.CUDA_VISIBLE_DEVICES) ?? [];
  if (capacity.gpuCount > 0) env.CUDA_VISIBLE_DEVICES = assignment.gpuIndexes.map((index) => names[index] ?? index).join(",");
  return {
    ...env,
    DROVER_LISTEN: assignment.address,
    DROVER_REPLICA_ID: assignment.replicaId,
    DROVER_DEPLOYMENT: assignment.deployment,
    DROVER_REVISION: String(assignment.revision),
    DROVER_INIT_ARGS: assignment.initArgs,
    DROVER_MAX_ONGOING_REQUESTS: String(assignment.maxOngoingRequests),
    DROVER_TOKEN: assignment.token,
  };
}

/** The command line of a replica: `{listen}` in it is the address. No shell sees it. */
export function replicaArgv({ argv, address }: { readonly argv: readonly string[]; readonly address: string }): string[] {
  return argv.map((argument) => argument.replaceAll("{listen}", address));
}

/**
 * The command line of a program, before it has an address. `moduleHost` is Node and the script that runs a module; the heap of a module
 * is bound by its `memoryBytes`, 0 being no bound.
 */
export function programArgv(program: Program, moduleHost: readonly string[], memoryBytes: number): readonly string[] {
  if (program.kind === "command") return program.argv;
  const [node = "", ...script] = moduleHost;
  const heap = memoryBytes > 0 ? [`--max-old-space-size=${heapMiB(memoryBytes)}`] : [];
  return moduleArgv([node, ...heap, ...script], program.path, program.exportName);
}

/** What runs what a module exports: `host` where it is one for Node, the Python SDK for a `.py` file. */
function moduleArgv(host: readonly string[], path: string, exportName: string): readonly string[] {
  return [...(path.endsWith(".py") ? ["python3", "-m", "drover.replica"] : host), path, exportName];
}
