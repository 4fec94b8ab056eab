import type { Code, FieldViolation } from "./errors.ts";

/** How a process ended by itself, or by a signal. */
export type ProcessEnd =
  | { readonly kind: "exit"; readonly code: number }
  /** `signal` is its name, such as `SIGKILL`. */
  | { readonly kind: "signal"; readonly signal: string };

/** How a replica's process ended, or why there never was one. Written by the engine. */
export type Ending =
  | ProcessEnd
  /** The system could not start it. `why` is for people: program not found, folder missing. */
  | { readonly kind: "failedToStart"; readonly why: string }
  /** Its packages could not be installed. The tool's last lines come with it, as the last lines of the replica. */
  | { readonly kind: "packagesFailed"; readonly problem: InstallProblem; readonly freeBytes?: number }
  /** It used more than its `memory_bytes`. `usedBytes` is unset where the kernel ended it. */
  | { readonly kind: "overMemory"; readonly usedBytes?: number; readonly boundBytes?: number }
  /** The memory of the machine, or of the whole service, was used up. */
  | { readonly kind: "machineOutOfMemory" }
  /** Node's heap was full. `boundBytes` is the replica's `memory_bytes`, of which a heap may use 3/4. */
  | { readonly kind: "heapFull"; readonly boundBytes?: number }
  /** The controller ended before it started the process. */
  | { readonly kind: "neverStarted" }
  /** It was stopped before it had a process. */
  | { readonly kind: "stoppedBeforeStart" }
  /** It is gone, and nobody saw how. */
  | { readonly kind: "unknown" };

/** Why packages could not be installed. `freeBytes` of the ending is set where little room on the disk may be the cause. */
export type InstallProblem =
  | { readonly kind: "toolEnded"; readonly tool: string; readonly end: ProcessEnd }
  | { readonly kind: "toolNotFound"; readonly program: string }
  /** `why` is the system's text. */
  | { readonly kind: "toolNotRun"; readonly tool: string; readonly why: string }
  | { readonly kind: "late"; readonly tool: string; readonly withinMs: number }
  | { readonly kind: "noPython" }
  /** Nobody waits for them any more. */
  | { readonly kind: "unwanted" }
  /** The system's text, such as of a disk that is full. */
  | { readonly kind: "system"; readonly why: string };

/** What is being made before a replica's process can start. */
export interface Preparing {
  /** How many packages are being installed. */
  readonly packages: number;
}

/** How far the packages are that a replica requires. */
export type Preparation =
  | { readonly kind: "ready" }
  | ({ readonly kind: "installing" } & Preparing)
  /** With the tool's last lines. */
  | { readonly kind: "failed"; readonly ending: Ending; readonly lines: readonly string[] };

/** Why a replica does not serve yet, or does not any more, as a call to it showed. */
export type HealthProblem =
  | { readonly kind: "nothingListens" }
  | { readonly kind: "notServing" }
  | { readonly kind: "noHealthService" }
  /** The call failed with this status; `code` is undefined for an error that is no status. */
  | { readonly kind: "callFailed"; readonly code: Code | undefined; readonly message: string };

/** Why a replica did not take a config. */
export type ConfigProblem =
  /** The program's own words. */
  | { readonly kind: "refused"; readonly message: string; readonly violations: readonly FieldViolation[] }
  /** The program does not serve the replica contract, and so takes no `user_config`. */
  | { readonly kind: "noService" }
  /** `last`: how the last call failed, if that is more than the time. */
  | { readonly kind: "late"; readonly withinMs: number; readonly last?: ConfigCallProblem }
  /** It failed while it was given the config. */
  | { readonly kind: "failed"; readonly failure: ReplicaFailure };

/** Why a call that gave a config has no answer. */
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
  /** It runs, and does not answer this controller. */
  | { readonly kind: "silent"; readonly problem?: HealthProblem }
  /** As version 0.1.0 wrote it down. */
  | { readonly kind: "earlier"; readonly text: string };
