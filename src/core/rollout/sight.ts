import type { DecisionRecord, Verdict } from "../decision.ts";
import type { DeploymentRecord, ProgressRecord, RevisionRecord } from "../deployment.ts";
import type { Ending, FailureCause, HealthProblem, Preparation, Preparing } from "../ending.ts";
import type { PendingReplica } from "../placement/placement.ts";
import type { ProcessState, Room } from "../placement/room.ts";
import type { ReplicaRecord } from "../replica.ts";
import type { Holding } from "../resources.ts";

/** What is observed of one replica. "Don't know" is `unknown`, never a guess. */
export interface SeenReplica {
  readonly replica: ReplicaRecord;
  readonly process: ProcessState;
  /** Where the engine finds it, and where it listens; undefined: the engine does not tell. */
  readonly node?: string;
  readonly address?: string;
  /** Why the engine has not placed it yet, in its words; undefined: it has, or has not said. */
  readonly unplaced?: string;
  /** What is being made before its process can start, or before it has room to; undefined: nothing. */
  readonly preparing?: Preparing;
  /** How the process ended, or why it could not be started; undefined: neither. */
  readonly ending?: Ending;
  /** The last lines of its standard error; known once it has failed. */
  readonly errors: readonly string[];
  /** Since when this controller talks to it, so that time without a controller does not count as its own. */
  readonly metAtMs: number;
  /** When it was sent SIGTERM; undefined: not yet. */
  readonly terminatedAtMs?: number;
  /** What it answers: `ready` took its config and serves, `refused` never will, `unhealthy` failed too many checks. */
  readonly answer: "unknown" | "ready" | "refused" | "unhealthy";
  /** Why it does not serve so far, while the answer is `unknown`. */
  readonly problem?: HealthProblem;
  /** Why it failed, for `refused` and `unhealthy`. */
  readonly failure?: FailureCause;
  /** It may get requests once it is ready: it serves by the config that is committed, and no change of it is being made. */
  readonly configured: boolean;
  /** Requests in work; undefined: not reported. */
  readonly ongoing: number | undefined;
  /** Whether it can be given requests now. */
  readonly routable: boolean;
  /** It said that nothing is ongoing any more since it was told to drain. */
  readonly drained: boolean;
}

/** A deed for the loop to do. */
export type Action =
  /** Ask for one more replica of this revision. */
  | { readonly kind: "create"; readonly revision: number }
  /** Write the replica as it is to be. */
  | { readonly kind: "move"; readonly replica: ReplicaRecord }
  /** Ask its process to end, or end its whole group. */
  | { readonly kind: "terminate" | "kill"; readonly replicaId: string }
  /** Remove what is left of a replica that has ended. */
  | { readonly kind: "forget"; readonly replicaId: string }
  /** Write how far we have come. */
  | { readonly kind: "progress"; readonly progress: ProgressRecord }
  /** The rollout has failed: want an old revision instead. */
  | { readonly kind: "rollback"; readonly deployment: DeploymentRecord }
  /** Keep what was decided. */
  | { readonly kind: "decide"; readonly verdict: Verdict }
  /** Remove the deployment: nothing of it is left. */
  | { readonly kind: "erase" };

export interface PlanInput {
  readonly deployment: DeploymentRecord;
  readonly progress: ProgressRecord | undefined;
  readonly seen: readonly SeenReplica[];
  /** How far the packages are of the wanted revision, where they are to be there first (`wantsPackagesFirst`); undefined: nobody looks. */
  readonly packages: Preparation | undefined;
  /** A revision of this deployment, if it is kept. */
  readonly findRevision: (revision: number) => RevisionRecord | undefined;
  /** The newest decision kept for this deployment. */
  readonly lastDecision: () => DecisionRecord | undefined;
  /** Who places replicas; and what replicas of all deployments hold, where core does. */
  readonly room: Room;
  readonly held: readonly (Holding & { readonly id: string })[];
  /** What waits for room, of all deployments, in the order it is served. */
  readonly pending: () => readonly PendingReplica[];
  readonly nowMs: number;
  /** Since when this controller acts: time before it is not held against a rollout. */
  readonly actingSinceMs: number;
  /** Uniform in [0, 1), for the jitter of a retry. */
  readonly draw: number;
}
