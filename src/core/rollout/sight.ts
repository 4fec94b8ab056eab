import type { ActingTime } from "../acting-time.ts";
import type { DecisionRecord, Verdict } from "../decision.ts";
import type { DeploymentRecord, ProgressRecord, RevisionRecord } from "../deployment.ts";
import type { Ending, FailureCause, HealthProblem, Preparation, Preparing } from "../ending.ts";
import type { PendingReplica } from "../placement/placement.ts";
import type { ProcessState, Room } from "../placement/room.ts";
import type { ReplicaRecord } from "../replica.ts";
import type { Holding } from "../resources.ts";

/** What is observed of one replica. What is not known is `unknown`, never a guess. */
export interface SeenReplica {
  readonly replica: ReplicaRecord;
  readonly process: ProcessState;
  /** Where the engine runs the replica, and where it listens. Undefined: not reported. */
  readonly node?: string;
  readonly address?: string;
  /**
   * The engine's reason why the replica is not placed yet. Undefined: it is placed, or there is no
   * reason.
   */
  readonly unplaced?: string;
  /**
   * What is being prepared before the process can start, or before the replica has room. Undefined:
   * nothing.
   */
  readonly preparing?: Preparing;
  /** How the process ended, or why it could not be started; undefined: neither. */
  readonly ending?: Ending;
  /** The last lines of standard error. Read only for replicas that have failed. */
  readonly errors: readonly string[];
  /**
   * Since when this controller connects to the replica. Time without a controller does not count
   * against it.
   */
  readonly contactSinceMs: number;
  /** When SIGTERM was sent. Undefined: not sent. */
  readonly terminatedAtMs?: number;
  /**
   * The replica's answers so far. `ready`: it took its config and serves. `refused`: it will never
   * serve. `unhealthy`: too many health checks failed.
   */
  readonly answer: "unknown" | "ready" | "refused" | "unhealthy";
  /** Why the replica does not serve, while the answer is `unknown`. */
  readonly problem?: HealthProblem;
  /** Why it failed, for `refused` and `unhealthy`. */
  readonly failure?: FailureCause;
  /**
   * Whether the replica may get requests once it is ready: it has the committed config, and no
   * change of config is in progress.
   */
  readonly configured: boolean;
  /** Requests in work. Undefined: not reported. */
  readonly ongoing: number | undefined;
  /** Whether requests can be sent to it now. */
  readonly routable: boolean;
  /** Whether it reported that nothing is in work since it was asked to drain. */
  readonly drained: boolean;
}

/** What the loop does next. */
export type Action =
  /** Create one more replica of this revision. */
  | { readonly kind: "create"; readonly revision: number }
  /** Write the replica's new record. */
  | { readonly kind: "move"; readonly replica: ReplicaRecord }
  /** Ask the process to end, or kill its whole group. */
  | { readonly kind: "terminate" | "kill"; readonly replicaId: string }
  /** Remove what is left of an ended replica. */
  | { readonly kind: "forget"; readonly replicaId: string }
  /** Write the new progress. */
  | { readonly kind: "progress"; readonly progress: ProgressRecord }
  /** The rollout has failed: write the deployment with the old revision. */
  | { readonly kind: "rollback"; readonly deployment: DeploymentRecord }
  /** Store a decision. */
  | { readonly kind: "decide"; readonly verdict: Verdict }
  /** Remove the deployment, of which nothing is left. */
  | { readonly kind: "erase" };

export interface PlanInput extends ActingTime {
  readonly deployment: DeploymentRecord;
  readonly progress: ProgressRecord | undefined;
  readonly seen: readonly SeenReplica[];
  /**
   * The state of the wanted revision's packages, if they are installed first ({@link
   * wantsPackagesFirst}). Undefined: they are not.
   */
  readonly packages: Preparation | undefined;
  /** A revision of this deployment, if it is kept. */
  readonly findRevision: (revision: number) => RevisionRecord | undefined;
  /** The newest decision kept for this deployment. */
  readonly lastDecision: () => DecisionRecord | undefined;
  /**
   * The part that places replicas; and what replicas of all deployments hold, if core places them.
   */
  readonly room: Room;
  readonly held: readonly (Holding & { readonly id: string })[];
  /** Replicas of all deployments that wait for room, in the order in which they are served. */
  readonly pending: () => readonly PendingReplica[];
  /** Uniform in [0, 1), for the jitter of a retry. */
  readonly draw: number;
}
