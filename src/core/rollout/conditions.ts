import type { Preparing } from "../ending.ts";
import type { RolloutFailure, StartFailure } from "../rollout-failure.ts";
import type { Wait, WaitingReplica } from "../wait.ts";

/** A group of replicas that are in the same situation: the first, and how many more. */
interface Group {
  readonly replicaId: string;
  readonly more: number;
}

/** Something of a deployment that an operator should know. `sinceMs` undefined: not known. */
export type Condition = { readonly sinceMs: number | undefined } & (
  | { readonly type: "CONFIG_CHANGING"; readonly reason: "RECONFIGURE" }
  | { readonly type: "ROLLOUT_PAUSED"; readonly reason: "REQUESTED" }
  /**
   * Replicas wait for room. BLOCKED: an old replica would have to go first, and by the rollout's policy none may be missing.
   * NEVER_FITS: one wants more than there is altogether.
   */
  | ({ readonly type: "NO_CAPACITY"; readonly reason: "BLOCKED" | "NEVER_FITS" | "WAITING" } & WaitingReplica & Group)
  /** `replicaId` undefined: they are installed before a first replica of `revision` is asked for. */
  | ({ readonly type: "WAITING_FOR_PACKAGES"; readonly reason: "INSTALLING"; readonly revision: number } & Preparing & Partial<Group>)
  | ({ readonly type: "STARTING"; readonly reason: "LAUNCHED" | "NOT_SERVING"; readonly wait: Wait | undefined } & Group)
  /** BACKOFF: the next try is at `retryAtMs`. */
  | {
      readonly type: "STARTS_FAILING";
      readonly reason: "BACKOFF" | "TRYING";
      readonly failedStarts: number;
      readonly retryAtMs: number | undefined;
      readonly last: StartFailure;
    }
  | {
      readonly type: "ROLLOUT_FAILED";
      readonly reason: RolloutFailureReason;
      readonly revision: number;
      readonly failure: RolloutFailure;
    }
  /** The rollout of `revision` failed, and `to` was gone back to. */
  | {
      readonly type: "ROLLED_BACK";
      readonly reason: RolloutFailureReason;
      readonly revision: number;
      readonly to: number;
      readonly failure: RolloutFailure;
    }
);

export type RolloutFailureReason = "FAILED_STARTS" | "PROGRESS_DEADLINE" | "EARLIER_VERSION";
