import { join } from "node:path";
import type { Program, RuntimeEnv } from "../../core/deployment.ts";
import type { Capacity } from "../../core/resources.ts";
import type { Assignment } from "../engine.ts";
import { visibleGpus } from "./capacity.ts";
import { heapMiB } from "./memory.ts";

/** Where programs reach the controller, `host:port`. */
export interface ControllerAddresses {
  readonly api: string;
  readonly gateway: string;
}

/** What a replica reads from its environment variables. */
interface ReplicaParameters
  extends Pick<
    Assignment,
    "replicaId" | "deployment" | "revision" | "initArgs" | "maxOngoingRequests" | "messageBytesMax" | "resources" | "gpuIndexes" | "token"
  > {
  readonly envVars: RuntimeEnv["envVars"];
  /** The bundle that it runs in. Undefined: none. */
  readonly bundle?: { readonly digest: string; readonly folder: string } | undefined;
  readonly address: string;
  /** The controller that starts it. Undefined: none does. */
  readonly controller?: ControllerAddresses | undefined;
}

/** The environment variables of a process. */
export type ProcessEnvironment = Readonly<Record<string, string | undefined>>;

/** What the shell that started the controller says of itself. */
const ofControllersShell = new Set(["PWD", "OLDPWD", "SHLVL", "_"]);

/**
 * All variables of a replica: the controller's without its `DROVER_…` and its shell's, then the
 * spec's, then the contract's. `OMP_NUM_THREADS` is the spec's, else the controller's, else the replica's whole
 * CPUs, at least 1. `CUDA_VISIBLE_DEVICES` is set on a machine with GPUs, so that a replica sees
 * only its own GPUs.
 */
export function replicaEnv(assignment: ReplicaParameters, ambient: ProcessEnvironment, capacity: Capacity): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(ambient))
    if (value !== undefined && !name.startsWith("DROVER_") && !ofControllersShell.has(name)) env[name] = value;
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
    DROVER_MAX_MESSAGE_BYTES: String(assignment.messageBytesMax),
    DROVER_TOKEN: assignment.token,
    // The folder is for our own parts in the replica (npm-environment.ts).
    ...(assignment.bundle && { DROVER_BUNDLE: assignment.bundle.digest, DROVER_BUNDLE_FOLDER: assignment.bundle.folder }),
    ...(assignment.controller && { DROVER_API: assignment.controller.api, DROVER_GATEWAY: assignment.controller.gateway }),
  };
}

/** Makes Node load `hook` first, the module that finds packages and `drover` for a program. */
export const nodeOptions = (env: ProcessEnvironment, hook: string): Readonly<Record<string, string>> => ({
  NODE_OPTIONS: [...(env.NODE_OPTIONS ? [env.NODE_OPTIONS] : []), `--import=${hook}`].join(" "),
});

/**
 * The command line of a replica, with `{listen}` replaced by the address. It is not run by a shell.
 */
export function replicaArgv({ argv, address }: { readonly argv: readonly string[]; readonly address: string }): string[] {
  return argv.map((argument) => argument.replaceAll("{listen}", address));
}

/**
 * The command line of a program, before it has an address. `moduleHost` is Node and the script that
 * runs a module. `memoryBytes` bounds the heap of a module; 0: no bound.
 */
export function programArgv(program: Program, moduleHost: readonly string[], memoryBytes: number): readonly string[] {
  if (program.kind === "command") return program.argv;
  const [node = "", ...script] = moduleHost;
  const heap = memoryBytes > 0 ? [`--max-old-space-size=${heapMiB(memoryBytes)}`] : [];
  return moduleArgv([node, ...heap, ...script], program.path, program.exportName);
}

/** A program whose module's path is inside the bundle in `folder`, as one whose path is absolute. Undefined: it has no bundle. */
export function programIn(folder: string | undefined, program: Program): Program {
  return folder === undefined || program.kind === "command" ? program : { ...program, path: join(folder, program.path) };
}

/** The command line that runs a module's export: the Python SDK for a `.py` file, else `host`. */
function moduleArgv(host: readonly string[], path: string, exportName: string): readonly string[] {
  return [...(path.endsWith(".py") ? ["python3", "-m", "drover.replica"] : host), path, exportName];
}
