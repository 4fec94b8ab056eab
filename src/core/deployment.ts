import type { AutoscalingConfig } from "./autoscaling-config.ts";
import type { Preparing } from "./ending.ts";
import type { Json, JsonObject } from "./json.ts";
import type { Resources } from "./resources.ts";
import type { RolloutFailure, StartFailure } from "./rollout-failure.ts";
import type { RolloutPolicy } from "./rollout-policy.ts";

/** What a replica runs. */
export type Program =
  | { readonly kind: "module"; readonly path: string; readonly exportName: string }
  | { readonly kind: "command"; readonly argv: readonly string[] };

/** A program's environment: folder, variables and packages. */
export interface RuntimeEnv extends Requirements {
  /** With a bundle, a path inside it. */
  readonly workingDir: string;
  readonly envVars: Readonly<Record<string, string>>;
  /** The container image to run in. Undefined: none. */
  readonly image?: string;
}

/** The files and packages that a program needs. */
export interface Requirements {
  /** In the notation of npm, or `./` and the path of a file of the bundle. */
  readonly npm: readonly string[];
  /** In the notation of pip, or `./` and the path of a file of the bundle. */
  readonly pip: readonly string[];
  /** The digest of the bundle with the program's files. Undefined: they are on the machine. */
  readonly bundle?: string;
  /** The path of a lockfile inside the bundle. Undefined: none. */
  readonly lockfile?: string;
}

/** A deployment's spec with every default filled in. Times in milliseconds. */
export interface DeploymentSpec {
  readonly name: string;
  /** The application that it is a part of. Undefined: none. */
  readonly application?: string;
  /** Empty: every Deploy makes a new revision. */
  readonly version: string;
  readonly program: Program;
  readonly initArgs: JsonObject;
  readonly runtimeEnv: RuntimeEnv;
  /** Not used if `autoscalingConfig` is set. */
  readonly numReplicas: number;
  /** Set: the number of replicas follows the load. */
  readonly autoscalingConfig?: AutoscalingConfig;
  readonly resources: Resources;
  readonly maxOngoingRequests: number;
  /** Undefined: no bound. */
  readonly maxQueuedRequests?: number;
  /** The largest message, in bytes. Undefined: the controller's bound. */
  readonly maxMessageBytes?: number;
  /** Undefined: no config. `null` is a config. */
  readonly userConfig?: Json;
  readonly healthCheck: { readonly periodMs: number; readonly timeoutMs: number; readonly failureThreshold: number };
  readonly gracefulShutdownTimeoutMs: number;
  readonly startupTimeoutMs: number;
  /** 0: no bound. */
  readonly requestTimeoutMs: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly rollout: RolloutPolicy;
}

/**
 * What was asked for. Written by the API, and by the reconcile loop when it rolls back a failed
 * rollout.
 */
export interface DeploymentRecord {
  readonly uid: string;
  readonly spec: DeploymentSpec;
  /** Grows with each change of the spec, from 1. */
  readonly generation: number;
  /** The program's revision that is wanted. */
  readonly revision: number;
  /**
   * The newest revision ever made. Grows from 1 with each change that replaces replicas; a rollback
   * does not lower it.
   */
  readonly newestRevision: number;
  /**
   * The generation of the committed config (`userConfig`, `maxOngoingRequests`). Grows from 1 with
   * each change of it.
   */
  readonly configGeneration: number;
  /** The newest config generation ever used, also by a refused change: it is never used again. */
  readonly newestConfigGeneration: number;
  /**
   * The target that the load asked for last, and since when. Written first by the API, then by the
   * autoscaler.
   */
  readonly autoscaled?: { readonly target: number; readonly sinceMs: number };
  /** Set: the id of the current change of config. */
  readonly changing?: string;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  /** Set: the deployment is being deleted. */
  readonly deletingSinceMs?: number;
  /** Set: the rollout is paused. */
  readonly pausedSinceMs?: number;
  /** When the rollout was last resumed. */
  readonly resumedAtMs?: number;
  /** Set: the revision is the result of a rollback. It is not rolled back again if it fails. */
  readonly rolledBackAtMs?: number;
  /**
   * Set: the last rollout failed and was rolled back. Removed by the next change of the deployment.
   */
  readonly failedRollout?: FailedRollout;
}

/** A rollout that has failed. */
export interface FailedRollout {
  readonly revision: number;
  readonly cause: RolloutFailure;
  readonly atMs: number;
}

/** A revision. Written once by the API; updated when a config is committed. */
export interface RevisionRecord {
  readonly uid: string;
  readonly deployment: string;
  readonly revision: number;
  /** The spec of the revision, with the last config committed while the revision was wanted. */
  readonly spec: DeploymentSpec;
  readonly configGeneration: number;
  readonly createdAtMs: number;
}

/** What a tick compares with the last one. */
export interface Wanted {
  readonly target: number;
  /**
   * When the rollout was paused; 0: it is not. And when it was last resumed; 0: never. By the clock
   * of the controller that took the request, so these are compared only for equality.
   */
  readonly pausedSinceMs: number;
  readonly resumedAtMs: number;
}

/** The leader's progress with a deployment. Written by the reconcile loop only. */
export interface ProgressRecord {
  readonly uid: string;
  readonly observedGeneration: number;
  /** The revision that failures are counted for. */
  readonly revision: number;
  /** Failed starts in a row; replicas created together count once. */
  readonly failedStarts: number;
  /** When a start last failed. Undefined: none did. */
  readonly failedAtMs?: number;
  /**
   * No replica is started before this time. Undefined: no wait. A later leader counts the wait,
   * since `failedAtMs`, from when it began to act.
   */
  readonly retryAtMs?: number;
  /** Whether a replica of `revision` was ever available. */
  readonly everRan: boolean;
  /**
   * Whether a replica of `revision` ran long enough to be trusted. Until then, failed starts in a
   * row make the rollout fail.
   */
  readonly everStable: boolean;
  /**
   * Since when the progress deadline counts: since the first tick of the rollout to `revision`, the
   * last replica that became available, or the last change of what is wanted.
   */
  readonly progressedAtMs: number;
  /** The newest `readyAtMs` of the replicas that became available. Undefined: none did. */
  readonly newestReadyAtMs?: number;
  /**
   * What else was wanted at the last tick; with `observedGeneration`, it shows what has changed
   * since. Undefined: written by an earlier version.
   */
  readonly wanted?: Wanted;
  /** Why the rollout to `revision` has failed. Undefined: it has not, or has advanced since. */
  readonly rolloutFailure?: RolloutFailure;
  /** When the rollout failed. */
  readonly rolloutFailedAtMs?: number;
  /** Why a replica last failed. Undefined: none failed since the last success. */
  readonly lastFailure?: StartFailure;
  /**
   * What is being installed for `revision` before an old replica makes place for its first one, and
   * since when. Undefined: nothing.
   */
  readonly installing?: Preparing & { readonly sinceMs: number };
  /** What was last fully running. Undefined: nothing yet. */
  readonly settled?: { readonly revision: number; readonly target: number };
  /** The revisions that were ever fully running, the latest last. */
  readonly healthyRevisions: readonly number[];
}
