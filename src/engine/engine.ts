import type { Requirements } from "../core/deployment.ts";
import type { Ending, Preparation, Preparing } from "../core/ending.ts";
import type { LogLine } from "../core/log-line.ts";
import type { Capacity, Resources } from "../core/resources.ts";

/** All that is needed to start a replica. */
export interface Assignment {
  readonly replicaId: string;
  readonly deployment: string;
  readonly uid: string;
  readonly revision: number;
  /** The command line; no shell sees it. `{listen}` in it stands for the address. */
  readonly argv: readonly string[];
  /** Empty: the controller's own. */
  readonly workingDir: string;
  /** Packages that it finds before any others. */
  readonly requirements: Requirements;
  /** The replica's own variables; those of the contract (`DROVER_…`), `OMP_NUM_THREADS` and `CUDA_VISIBLE_DEVICES` are added by the engine. */
  readonly envVars: Readonly<Record<string, string>>;
  /** JSON. */
  readonly initArgs: string;
  readonly maxOngoingRequests: number;
  readonly resources: Resources;
  readonly gpuIndexes: readonly number[];
  readonly address: string;
  readonly token: string;
}

/** A replica as the engine finds it. */
export interface EngineReplica {
  readonly replicaId: string;
  readonly deployment: string;
  readonly uid: string;
  readonly revision: number;
  readonly address: string;
  readonly token: string;
  readonly resources: Resources;
  readonly gpuIndexes: readonly number[];
  readonly pid: number;
  readonly startedAtMs: number;
  readonly state: "alive" | "exited";
  /** What is being made before its process can start; undefined: nothing, or that is not known yet. It then has no pid. */
  readonly preparing?: Preparing;
  /** How it ended. Undefined while it is alive. */
  readonly ending?: Ending;
  /** When SIGTERM was first sent; undefined: not yet. */
  readonly terminatedAtMs?: number;
}

/** Where replicas run. Its methods are few verbs; deciding is not its business. */
export interface Engine {
  capacity(): Capacity;
  /** The address a new replica is to listen at. */
  addressFor(replicaId: string): string;
  /**
   * Sees to it that packages are there before a replica is started; asked again by the same name, tells how far they are. A failure is told
   * under this name for as long as it is asked; another one begins anew.
   */
  prepare(name: string, requirements: Requirements): Preparation;
  /**
   * Starts a process, at once or when the packages it requires are installed. Fails with an Error whose message a person can act on
   * (program not found, folder missing); what fails later is told as its ending.
   */
  start(assignment: Assignment): Promise<void>;
  /** Every replica it knows, also those that ended and were not forgotten, also those that a former controller started. */
  list(): Promise<readonly EngineReplica[]>;
  /** Sends SIGTERM to the replica's process, or SIGKILL to its whole group. No error if it has ended. */
  stop(replicaId: string, how: "terminate" | "kill"): Promise<void>;
  /** The last lines of its standard error, at most `lines` and 8 KiB. */
  lastErrors(replicaId: string, lines: number): Promise<readonly string[]>;
  /** Its output: the last `tailLines`, then, while `follow`, new lines until it is forgotten or the signal aborts. */
  logs(replicaId: string, options: { readonly tailLines: number; readonly follow: boolean }, signal: AbortSignal): AsyncIterable<LogLine>;
  /** Removes what is left of a replica that has ended. */
  forget(replicaId: string): Promise<void>;
  /** Calls `listener` when a replica's process ends, and when it is known how its packages are. */
  onExit(listener: (replicaId: string) => void): void;
  /** Ends the engine; replicas go on. */
  close(): Promise<void>;
}
