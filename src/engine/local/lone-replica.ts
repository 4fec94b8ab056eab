import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Program } from "../../core/deployment.ts";
import type { ProcessEnd } from "../../core/ending.ts";
import { launch } from "./launch.ts";
import { processEnd } from "./process-end.ts";
import { type Environment, programArgv, replicaArgv, replicaEnv } from "./replica-env.ts";
import { ReplicaOutput } from "./replica-output.ts";

/** What a replica that no controller knows is started with. */
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
  /** `host:port`; unset: a unix socket in its own folder. */
  readonly address?: string;
}

/** A replica's process that belongs to whoever started it, and ends with `remove` at the latest. */
export interface LoneReplica {
  readonly address: string;
  /** Resolves when it has ended, with how. */
  readonly ended: Promise<ProcessEnd>;
  /** Sends SIGTERM. */
  terminate(): void;
  lastErrors(lines: number): Promise<readonly string[]>;
  /** Kills its whole group and removes its folder. */
  remove(): Promise<void>;
}

/** What runs programs that no controller knows. */
export interface LoneRunner {
  /** The environment in which replicas are started. */
  readonly ambient: Environment;
  /** The command line that runs a `module` program, without the module's path and export. */
  readonly moduleHost: readonly string[];
}

/** Starts a process with the environment that a replica gets, in a folder of its own. Fails with an Error that names what to change. */
export async function startLoneReplica(assignment: LoneAssignment, { ambient, moduleHost }: LoneRunner): Promise<LoneReplica> {
  // The system's own folder for temporary files: below any other a socket's path may be too long.
  const folder = await mkdtemp(join(tmpdir(), "drover-lone-"));
  const address = assignment.address ?? `unix:${join(folder, "replica.sock")}`;
  const output = new ReplicaOutput(folder);
  // Nobody places it.
  const given = { ...assignment, address, envVars: {}, resources: noResources, gpuIndexes: [] };
  try {
    const child = await launch({
      argv: replicaArgv({ argv: programArgv(assignment.program, moduleHost, noResources.memoryBytes), address }),
      workingDir: assignment.workingDir,
      env: replicaEnv(given, ambient, noCapacity),
      enter: [],
      pidFile: join(folder, "pid"),
      ...output.paths,
    });
    child.ref(); // we wait for its end
    let alive = true;
    const ended = new Promise<ProcessEnd>((resolve) => {
      const tell = (code: number | null, signal: NodeJS.Signals | null) => {
        alive = false;
        killGroup(child.pid!); // what it started; its pid became free this very moment, and nobody else has it yet
        resolve(processEnd(code, signal));
      };
      if (child.exitCode !== null || child.signalCode !== null) tell(child.exitCode, child.signalCode);
      else child.once("exit", tell);
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

/** It takes none of a machine's resources that anybody counts, and sees the GPUs that whoever runs it sees. */
const noResources = { cpuMilli: 0, gpuMilli: 0, memoryBytes: 0 };
const noCapacity = { cpuMilli: 0, gpuCount: 0, memoryBytes: 0 };

function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // Nobody of it is left.
  }
}
