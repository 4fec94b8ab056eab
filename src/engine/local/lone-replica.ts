import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Program } from "../../core/deployment.ts";
import type { ProcessEnd } from "../../core/ending.ts";
import { messageBytes } from "../../core/message-bounds.ts";
import { launch } from "./launch.ts";
import { processEnd } from "./process-end.ts";
import { type ProcessEnvironment, programArgv, replicaArgv, replicaEnv } from "./replica-env.ts";
import { ReplicaOutput } from "./replica-output.ts";

/** All that is needed to start a replica without a controller. */
export interface LoneAssignment {
  readonly program: Program;
  readonly workingDir: string;
  readonly deployment: string;
  readonly replicaId: string;
  readonly revision: number;
  /** JSON. */
  readonly initArgs: string;
  readonly maxOngoingRequests: number;
  readonly token: string;
  /** `host:port`; default: a unix socket in the replica's folder. */
  readonly address?: string;
}

/** A replica's process that belongs to the caller. It ends with `remove` at the latest. */
export interface LoneReplica {
  readonly address: string;
  /** Resolves when it has ended, with how it ended. */
  readonly ended: Promise<ProcessEnd>;
  /** Sends SIGTERM. */
  terminate(): void;
  lastErrors(lines: number): Promise<readonly string[]>;
  /** Kills its whole group and removes its folder. */
  remove(): Promise<void>;
}

/** How programs without a controller are run. */
export interface LoneRunner {
  /** The environment that replicas inherit. */
  readonly ambient: ProcessEnvironment;
  /** The command line that runs a `module` program, without the module's path and export. */
  readonly moduleHost: readonly string[];
}

/**
 * Starts a process with a replica's environment, in a temporary folder. Fails with an Error that
 * says what to change.
 */
export async function startLoneReplica(assignment: LoneAssignment, { ambient, moduleHost }: LoneRunner): Promise<LoneReplica> {
  // The system's folder for temporary files: its path is short enough for a socket.
  const folder = await mkdtemp(join(tmpdir(), "drover-lone-"));
  const address = assignment.address ?? `unix:${join(folder, "replica.sock")}`;
  const output = new ReplicaOutput(folder);
  const parameters = { ...assignment, address, messageBytesMax: messageBytes.default, envVars: {}, resources: noResources, gpuIndexes: [] };
  try {
    const child = await launch({
      argv: replicaArgv({ argv: programArgv(assignment.program, moduleHost, noResources.memoryBytes), address }),
      workingDir: assignment.workingDir,
      env: replicaEnv(parameters, ambient, noCapacity),
      enter: [],
      pidFile: join(folder, "pid"),
      ...output.paths,
    });
    child.ref(); // we wait for its end
    let alive = true;
    const ended = new Promise<ProcessEnd>((resolve) => {
      const onExit = (code: number | null, signal: NodeJS.Signals | null) => {
        alive = false;
        killGroup(child.pid!); // its children; the pid became free just now, so no other process has it yet
        resolve(processEnd(code, signal));
      };
      if (child.exitCode !== null || child.signalCode !== null) onExit(child.exitCode, child.signalCode);
      else child.once("exit", onExit);
    });
    return {
      address,
      ended,
      terminate: () => void child.kill("SIGTERM"),
      lastErrors: (lines) => output.lastErrors(lines),
      remove: async () => {
        if (alive) killGroup(child.pid!);
        await ended;
        await rm(folder, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

/** A lone replica takes no counted resources, and sees the same GPUs as its caller. */
const noResources = { cpuMilli: 0, gpuMilli: 0, memoryBytes: 0 };
const noCapacity = { cpuMilli: 0, gpuCount: 0, memoryBytes: 0 };

function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // No process of the group is left.
  }
}
