import type { Program, Requirements, RuntimeEnv } from "../core/deployment.ts";
import type { Ending, Preparation, Preparing } from "../core/ending.ts";
import type { LogLine } from "../core/log-line.ts";
import type { Coverage, Room } from "../core/placement/room.ts";
import type { Resources } from "../core/resources.ts";

/** All that is needed to start a replica. The engine makes of it whatever runs one there: a command line, a pod. */
export interface Assignment {
  readonly replicaId: string;
  readonly deployment: string;
  readonly uid: string;
  readonly revision: number;
  readonly program: Program;
  /**
   * Where the program runs, its own variables, and the packages that it finds before any others. An empty working folder is the
   * controller's own. The engine adds the variables of the contract (`DROVER_…`), `OMP_NUM_THREADS` and `CUDA_VISIBLE_DEVICES`.
   */
  readonly runtimeEnv: RuntimeEnv;
  /** JSON. */
  readonly initArgs: string;
  readonly maxOngoingRequests: number;
  readonly resources: Resources;
  /** The GPUs that core gave it; empty where the engine places (`Engine.room`). */
  readonly gpuIndexes: readonly number[];
  /** Proves a controller to the replica. It is in the replica's record before the start. */
  readonly token: string;
}

/** A replica as the engine finds it. */
export interface EngineReplica {
  readonly replicaId: string;
  readonly deployment: string;
  readonly uid: string;
  readonly revision: number;
  /** Where it runs or ran, by a name that stays the same; undefined: it is not placed yet. */
  readonly node?: string;
  /** Where it listens, `unix:/path` or `host:port`; undefined: not known yet. It does not change once it is known. */
  readonly address?: string;
  readonly token: string;
  readonly resources: Resources;
  readonly gpuIndexes: readonly number[];
  /** What a person finds it by on its node, such as `pid 4711`; undefined: there is nothing to find yet. */
  readonly handle?: string;
  readonly startedAtMs: number;
  /** `waiting`: asked for, and not placed yet. Only an engine that places replicas itself tells it. */
  readonly state: "waiting" | "alive" | "exited";
  /** Why it is `waiting`, in the engine's words; undefined: the engine has not said. */
  readonly unplaced?: string;
  /** What is being made before its process can start; undefined: nothing, or that is not known yet. It then has no handle. */
  readonly preparing?: Preparing;
  /** How it ended. Undefined until it has. */
  readonly ending?: Ending;
  /** When SIGTERM was first sent; undefined: not yet. */
  readonly terminatedAtMs?: number;
}

/** What an engine found when it looked. */
export interface Listing {
  /** Every replica it knows, also those that ended and were not forgotten, also those that a former controller started. */
  readonly replicas: readonly EngineReplica[];
  /** The nodes of which no replica is missing. What became of a replica on any other node is not known. */
  readonly complete: Coverage;
}

/** Where replicas run. Its methods are few verbs; deciding is not its business. */
export interface Engine {
  /** Who places replicas: core by this ledger, or the engine. */
  room(): Room;
  /**
   * Sees to it that packages are there before a replica is started; asked again by the same name, tells how far they are. A failure is told
   * under this name for as long as it is asked; another one begins anew.
   */
  prepare(name: string, requirements: Requirements): Preparation;
  /**
   * Starts a replica: at once, when the packages it requires are installed, or when the engine has placed it. Fails with an Error whose
   * message a person can act on (program not found, folder missing), and leaves nothing; what fails later is told as its ending. A second
   * start of the same replica fails, and the first goes on.
   * Invariant: once it is done, every `list` has the replica until it is forgotten.
   */
  start(assignment: Assignment): Promise<void>;
  list(): Promise<Listing>;
  /** Sends SIGTERM to the replica's process, or SIGKILL to its whole group. No error if it has ended, or is not known. */
  stop(replicaId: string, how: "terminate" | "kill"): Promise<void>;
  /** The last lines of its standard error, at most `lines` and 8 KiB. */
  lastErrors(replicaId: string, lines: number): Promise<readonly string[]>;
  /** Its output: the last `tailLines`, then, while `follow`, new lines until it is forgotten or the signal aborts. */
  logs(replicaId: string, options: { readonly tailLines: number; readonly follow: boolean }, signal: AbortSignal): AsyncIterable<LogLine>;
  /** Removes what is left of a replica that has ended. Fails while it has not. No error if it is not known. */
  forget(replicaId: string): Promise<void>;
  /** Calls `listener` when a replica is placed, when its process ends, and when it is known how its packages are. */
  onExit(listener: (replicaId: string) => void): void;
  /** Ends the engine; replicas go on. */
  close(): Promise<void>;
}
