import type { Program, Requirements, RuntimeEnv } from "../core/deployment.ts";
import type { Ending, Preparation, Preparing } from "../core/ending.ts";
import type { LogLine } from "../core/log-line.ts";
import type { Coverage, Room } from "../core/placement/room.ts";
import type { Resources } from "../core/resources.ts";

/**
 * The machine could not start a replica: its disk is full, it has no more files or processes to
 * give, or the store of bundles cannot be reached. The program is not the cause.
 */
export class ShortageError extends Error {
  override readonly name = "ShortageError";
}

/** All that is needed to start a replica. The engine turns it into a command line or a pod. */
export interface Assignment {
  readonly replicaId: string;
  readonly deployment: string;
  readonly uid: string;
  readonly revision: number;
  readonly program: Program;
  /**
   * The working folder (empty: the controller's), the program's own variables, and its packages,
   * which the program finds before any others. The engine adds the variables of the contract
   * (`DROVER_…`), `OMP_NUM_THREADS` and `CUDA_VISIBLE_DEVICES`.
   */
  readonly runtimeEnv: RuntimeEnv;
  /** JSON. */
  readonly initArgs: string;
  readonly maxOngoingRequests: number;
  /** The largest message that the replica takes or sends, in bytes. */
  readonly messageBytesMax: number;
  readonly resources: Resources;
  /** The GPUs that core assigned; empty if the engine places replicas (`Engine.room`). */
  readonly gpuIndexes: readonly number[];
  /**
   * The replica accepts control calls only with this token. Stored in its record before the start.
   */
  readonly token: string;
}

/** A replica as the engine observes it. */
export interface EngineReplica {
  readonly replicaId: string;
  readonly deployment: string;
  readonly uid: string;
  readonly revision: number;
  /** The node where it runs or ran, by a stable name; undefined: not placed yet. */
  readonly node?: string;
  /**
   * Where it listens, `unix:/path` or `host:port`; undefined: not known yet. Once known, it never
   * changes.
   */
  readonly address?: string;
  readonly token: string;
  readonly resources: Resources;
  readonly gpuIndexes: readonly number[];
  /** How a person finds it on its node, such as `pid 4711`; undefined: it has no process yet. */
  readonly handle?: string;
  readonly startedAtMs: number;
  /**
   * `waiting`: accepted, and not placed yet. Only an engine that places replicas itself reports it.
   */
  readonly state: "waiting" | "alive" | "exited";
  /** Why it is `waiting`, in the engine's words; undefined: the engine has given no reason. */
  readonly unplaced?: string;
  /** What is being prepared before its process can start; undefined: nothing, or not known yet. */
  readonly preparing?: Preparing;
  /** How it ended; undefined until then. */
  readonly ending?: Ending;
  /** When SIGTERM was first sent; undefined: not yet. */
  readonly terminatedAtMs?: number;
}

/** An engine's observation of its replicas. */
export interface Listing {
  /**
   * Every known replica, including those that ended and are not forgotten, and those of earlier
   * controllers.
   */
  readonly replicas: readonly EngineReplica[];
  /** The nodes whose replicas are all listed. A replica on any other node has an unknown state. */
  readonly complete: Coverage;
}

/** Where replicas run. An engine acts and observes; it decides nothing. */
export interface Engine {
  /** Whether replicas may name a container image (`RuntimeEnv.image`). */
  readonly runsImages: boolean;
  /** How replicas are placed: by core, within this ledger, or by the engine. */
  room(): Room;
  /**
   * Begins to install packages before a replica starts, and returns how far that is. Call it again
   * with the same name to follow the progress. A failure stays the result for this name as long as
   * calls for it go on; a new name tries again.
   */
  prepare(name: string, requirements: Requirements): Preparation;
  /**
   * Starts a replica. Its process starts at once, or when its packages are installed, or when the
   * engine has placed it. Fails with an Error whose message a person can act on (program not found,
   * folder missing); nothing is left of the replica then. It is a `ShortageError` if the machine is
   * the cause, not the assignment. A later failure is reported as the replica's ending. A second start of the same replica fails, and the first goes on.
   * Invariant: after `start` succeeds, every `list` has the replica until it is forgotten.
   */
  start(assignment: Assignment): Promise<void>;
  list(): Promise<Listing>;
  /**
   * Sends SIGTERM to the replica's process, or SIGKILL to its whole group. No error if it has ended
   * or is unknown.
   */
  stop(replicaId: string, how: "terminate" | "kill"): Promise<void>;
  /** The last lines of its standard error, at most `lines` and 8 KiB. */
  lastErrors(replicaId: string, lines: number): Promise<readonly string[]>;
  /**
   * Its output: the last `tailLines`; with `follow` also new lines, until it is forgotten or the
   * signal aborts.
   */
  logs(replicaId: string, options: { readonly tailLines: number; readonly follow: boolean }, signal: AbortSignal): AsyncIterable<LogLine>;
  /**
   * Removes what is left of a replica that has ended. Fails while it is alive. No error if it is
   * unknown.
   */
  forget(replicaId: string): Promise<void>;
  /**
   * Calls `listener` when a replica is placed, when its process ends, and when its packages are
   * installed or have failed.
   */
  onExit(listener: (replicaId: string) => void): void;
  /** Stops the engine; replicas go on. */
  close(): Promise<void>;
}
