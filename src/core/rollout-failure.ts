import type { ReplicaFailure } from "./ending.ts";
import type { WaitingReplica } from "./wait.ts";

/** A failure of a revision: of one of its replicas, or of its packages before it had a replica. */
export interface StartFailure extends ReplicaFailure {
  /** Undefined: the packages could not be installed, and no replica was created yet. */
  readonly replicaId?: string;
  readonly revision: number;
}

/** Why a rollout has failed. */
export type RolloutFailure =
  /** This many starts in a row failed, and no replica ran for long. */
  | { readonly kind: "failedStarts"; readonly count: number; readonly last: StartFailure | undefined }
  /** No other replica became available in time. */
  | {
      readonly kind: "progressDeadline";
      readonly deadlineMs: number;
      readonly last?: StartFailure;
      readonly waiting?: WaitingReplica;
    }
  /** The text of version 0.1.0. */
  | { readonly kind: "earlier"; readonly text: string };
