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

/** Where and with which environment a program runs. */
export interface RuntimeEnv extends Requirements {
  readonly workingDir: string;
  readonly envVars: Readonly<Record<string, string>>;
}

/** Packages that a program needs, as npm and pip read them. */
export interface Requirements {
  readonly npm: readonly string[];
  readonly pip: readonly string[];
}

/** A deployment's spec with every default filled in. Times in milliseconds. */
export interface DeploymentSpec {
  readonly name: string;
  /** Empty: every Deploy is a new revision. */
  readonly version: string;
  readonly program: Program;
  readonly initArgs: JsonObject;
  readonly runtimeEnv: RuntimeEnv;
  /** Meaningless where the number follows the load. */
  readonly numReplicas: number;
  /** Set: the number of replicas follows the load. */
  readonly autoscalingConfig?: AutoscalingConfig;
  readonly resources: Resources;
  readonly maxOngoingRequests: number;
  /** Undefined: no bound. */
  readonly maxQueuedRequests?: number;
  /** Undefined: none; null is a config. */
  readonly userConfig?: Json;
  readonly healthCheck: { readonly periodMs: number; readonly timeoutMs: number; readonly failureThreshold: number };
  readonly gracefulShutdownTimeoutMs: number;
  readonly startupTimeoutMs: number;
  /** 0: no bound. */
  readonly requestTimeoutMs: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly rollout: RolloutPolicy;
}

/** What was asked for. Written by the API, and by the reconcile loop when a rollout has failed and it goes back to an old revision. */
export interface DeploymentRecord {
  readonly uid: string;
  readonly spec: DeploymentSpec;
  /** Grows with each change of the spec, from 1. */
  readonly generation: number;
  /** The revision of the program wanted. */
  readonly revision: number;
  /** The newest revision there ever was: grows with each change that replaces replicas, from 1. A rollback goes below it. */
  readonly newestRevision: number;
  /** Of the config committed (`userConfig`, `maxOngoingRequests`): grows with each change of it, from 1. */
  readonly configGeneration: number;
  /** The newest config generation there ever was: that of a change that was refused, too, is not used again. */
  readonly newestConfigGeneration: number;
  /** The number of replicas that the load asked for last, and since when. Written by the API at first, then by the autoscaler. */
  readonly autoscaled?: { readonly target: number; readonly sinceMs: number };
  /** Set: the id of the change of config that is being made. */
  readonly changing?: string;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  /** Set: it is being deleted. */
  readonly deletingSinceMs?: number;
  /** Set: its rollout is paused. */
  readonly pausedSinceMs?: number;
  /** When its rollout was last resumed. */
  readonly resumedAtMs?: number;
  /** Set: the revision wanted was gone back to, so it is not left for another when it fails. */
  readonly rolledBackAtMs?: number;
  /** Set: the last rollout failed, and the loop went back to an old revision. Until somebody changes the deployment. */
  readonly failedRollout?: FailedRollout;
}

/** A rollout that has failed. */
export interface FailedRollout {
  readonly revision: number;
  readonly cause: RolloutFailure;
  readonly atMs: number;
}

/** A revision. Written by the API, once; and where a config is committed, with that. */
export interface RevisionRecord {
  readonly uid: string;
  readonly deployment: string;
  readonly revision: number;
  /** The spec with which it was made; its config is the last that was committed while the revision was wanted. */
  readonly spec: DeploymentSpec;
  readonly configGeneration: number;
  readonly createdAtMs: number;
}

/** How far the leader has come with a deployment. Written by the reconcile loop only. */
export interface ProgressRecord {
  readonly uid: string;
  readonly observedGeneration: number;
  /** The revision that failures are counted for. */
  readonly revision: number;
  /** Failed starts in a row; those of replicas asked for together count once. */
  readonly failedStarts: number;
  /** When the last of them failed; undefined: none did. */
  readonly failedAtMs?: number;
  /** No start before this time; undefined: at once. */
  readonly retryAtMs?: number;
  /** Whether a replica of `revision` was ever available. */
  readonly everRan: boolean;
  /** Whether one ran for long enough to be trusted: until then, failed starts in a row are a failure of the rollout. */
  readonly everStable: boolean;
  /** When the rollout to `revision` last came forward: when it was first seen, and at each replica that became available. */
  readonly progressedAtMs: number;
  /** Why the rollout to `revision` has failed; undefined: it has not, or came forward since. */
  readonly rolloutFailure?: RolloutFailure;
  /** Since when it has. */
  readonly rolloutFailedAtMs?: number;
  /** Why the last replica failed; undefined: none did since the last success. */
  readonly lastFailure?: StartFailure;
  /** What is installed for `revision` before another replica goes for its first one, and since when; undefined: nothing. */
  readonly installing?: Preparing & { readonly sinceMs: number };
  /** What last was fully running; undefined: nothing yet. */
  readonly settled?: { readonly revision: number; readonly target: number };
  /** The revisions that were ever fully running, the last one last. */
  readonly healthyRevisions: readonly number[];
}
