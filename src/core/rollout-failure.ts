import type { ReplicaFailure } from "./ending.ts";
import type { WaitingReplica } from "./wait.ts";

/** A failure of a revision: of one of its replicas, or of its packages before there was one. */
export interface StartFailure extends ReplicaFailure {
  /** Undefined: its packages could not be had, and no replica was asked for yet. */
  readonly replicaId?: string;
  readonly revision: number;
}

/** Why a rollout has failed. */
export type RolloutFailure =
  /** So many starts in a row failed, and no replica ran for long. */
  | { readonly kind: "failedStarts"; readonly count: number; readonly last: StartFailure | undefined }
  /** No other replica became available in time. */
  | {
      readonly kind: "progressDeadline";
      readonly deadlineMs: number;
      readonly last?: StartFailure;
      readonly waiting?: WaitingReplica;
    }
  /** As version 0.1.0 wrote it down. */
  | { readonly kind: "earlier"; readonly text: string };
