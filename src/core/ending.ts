import type { Code, FieldViolation } from "./errors.ts";

/** How a process ended by itself, or by a signal. */
export type ProcessEnd =
  | { readonly kind: "exit"; readonly code: number }
  /** `signal` is its name, such as `SIGKILL`. */
  | { readonly kind: "signal"; readonly signal: string };

/** How a replica's process ended, or why there never was one. Written by the engine. */
export type Ending =
  | ProcessEnd
  /**
   * The system could not start the process. `why` is for people: program not found, folder missing.
   * `shortage` is true if the machine had no room, no more files or no more processes: the revision
   * is not to blame.
   */
  | { readonly kind: "failedToStart"; readonly why: string; readonly shortage?: true }
  /**
   * The packages could not be installed. The tool's last lines are the last lines of the replica.
   */
  | { readonly kind: "packagesFailed"; readonly problem: InstallProblem; readonly freeBytes?: number }
  /** The process used more than its `memory_bytes`. `usedBytes` is unset if the kernel ended it. */
  | { readonly kind: "overMemory"; readonly usedBytes?: number; readonly boundBytes?: number }
  /** The memory of the machine, or of the whole service, was used up. */
  | { readonly kind: "machineOutOfMemory" }
  /**
   * Node's heap was full. `boundBytes` is the replica's `memory_bytes`, of which a heap may use
   * 3/4.
   */
  | { readonly kind: "heapFull"; readonly boundBytes?: number }
  /** The controller ended before it started the process. */
  | { readonly kind: "neverStarted" }
  /** The replica was stopped before it had a process. */
  | { readonly kind: "stoppedBeforeStart" }
  /** The process is gone, and how it ended is not known. */
  | { readonly kind: "unknown" };

/**
 * Why packages could not be installed. The ending's `freeBytes` is set if a full disk may be the
 * cause.
 */
export type InstallProblem =
  | { readonly kind: "toolEnded"; readonly tool: string; readonly end: ProcessEnd }
  | { readonly kind: "toolNotFound"; readonly program: string }
  /** `why` is the system's text. */
  | { readonly kind: "toolNotRun"; readonly tool: string; readonly why: string }
  | { readonly kind: "late"; readonly tool: string; readonly withinMs: number }
  | { readonly kind: "noPython" }
  /** The packages are no longer needed. */
  | { readonly kind: "unwanted" }
  /** The system's text, for example of a full disk. */
  | { readonly kind: "system"; readonly why: string };

/** What is being prepared before a replica's process can start. */
export interface Preparing {
  /** How many packages of the lists are being installed. Undefined: the bundle is being unpacked. */
  readonly packages?: number;
  /** The lockfile whose packages are being installed. Undefined: none. */
  readonly lockfile?: string;
}

/** What is being prepared, alone. */
export const preparingOf = ({ packages, lockfile }: Preparing): Preparing => ({
  ...(packages !== undefined && { packages }),
  ...(lockfile !== undefined && { lockfile }),
});

/** The state of the files and packages that a replica requires. */
export type Preparation =
  | { readonly kind: "ready" }
  | ({ readonly kind: "installing" } & Preparing)
  /** `lines` are the tool's last lines. */
  | { readonly kind: "failed"; readonly ending: Ending; readonly lines: readonly string[] };

/** Why a replica does not serve, as a call to it showed. */
export type HealthProblem =
  | { readonly kind: "nothingListens" }
  | { readonly kind: "notServing" }
  | { readonly kind: "noHealthService" }
  /** The call failed with this status. `code` is undefined if the error is not a status. */
  | { readonly kind: "callFailed"; readonly code: Code | undefined; readonly message: string };

/** Why a replica did not take a config. */
export type ConfigProblem =
  /** The program's own message. */
  | { readonly kind: "refused"; readonly message: string; readonly violations: readonly FieldViolation[] }
  /** The program does not serve the replica contract, so it takes no `user_config`. */
  | { readonly kind: "noService" }
  /** `last`: how the last call failed, if not by its deadline. */
  | { readonly kind: "late"; readonly withinMs: number; readonly last?: ConfigCallProblem }
  /** The replica failed during the call. */
  | { readonly kind: "failed"; readonly failure: ReplicaFailure };

/** Why a call with a config has no answer. */
export type ConfigCallProblem =
  | { readonly kind: "unreached" }
  | { readonly kind: "notLeading" }
  | { readonly kind: "callFailed"; readonly code: Code | undefined; readonly message: string };

/** Why a replica failed. */
export interface ReplicaFailure {
  readonly cause: FailureCause;
  /** The last lines of its standard error, or of the tool that installed its packages. */
  readonly lines: readonly string[];
}

export type FailureCause =
  /** `served`: whether it was RUNNING before. */
  | { readonly kind: "ended"; readonly ending: Ending; readonly served: boolean }
  | { readonly kind: "startupTimeout"; readonly timeoutMs: number; readonly problem?: HealthProblem }
  | { readonly kind: "configRefused"; readonly problem: ConfigProblem }
  /** Another replica answers at its address. */
  | { readonly kind: "anotherReplica"; readonly replicaId: string }
  | { readonly kind: "unhealthy"; readonly failedChecks: number; readonly problem: HealthProblem }
  /** The process runs, but does not answer this controller. */
  | { readonly kind: "silent"; readonly problem?: HealthProblem }
  /** The text of version 0.1.0. */
  | { readonly kind: "earlier"; readonly text: string };
