import type { Resources } from "./resources.ts";

/** The life of a replica; it only moves forward (`advance`). */
export type ReplicaState = "PENDING" | "STARTING" | "RUNNING" | "DRAINING" | "STOPPED" | "FAILED";

/** A replica as decided. Written by the reconcile loop only; what is observed of it is never written. */
export interface ReplicaRecord {
  readonly id: string;
  readonly deployment: string;
  /** The deployment's uid. */
  readonly uid: string;
  readonly revision: number;
  readonly state: ReplicaState;
  /** For a person: why it waits, stops or failed. */
  readonly message: string;
  readonly resources: Resources;
  /** The GPUs it holds, by index; given with STARTING. */
  readonly gpuIndexes: readonly number[];
  /** Where it listens, `unix:/path` or `host:port`; given with STARTING. */
  readonly address: string;
  /** Proves the controller to it; given with STARTING. */
  readonly token: string;
  readonly createdAtMs: number;
  /** When its state last changed. */
  readonly sinceMs: number;
  /** When it became RUNNING; 0: never. */
  readonly readyAtMs: number;
  /** It is taken away because it did not work, not because it is one too many. */
  readonly failing?: true;
}

const order: Readonly<Record<ReplicaState, number>> = { PENDING: 0, STARTING: 1, RUNNING: 2, DRAINING: 3, STOPPED: 4, FAILED: 4 };

/** Whether a replica in this state has ended. */
export const hasEnded = (state: ReplicaState): boolean => order[state] === 4;

/** Whether a replica in this state counts towards the target: it serves, or will. */
export const counts = (state: ReplicaState): boolean => order[state] <= 2;

/** Whether a replica in this state holds the resources it was given. */
export const holds = (state: ReplicaState): boolean => order[state] >= 1 && order[state] <= 3;

/** Whether it can be counted on: it runs, and has for `minReadyTimeMs`. */
export const isAvailable = ({ state, readyAtMs }: ReplicaRecord, minReadyTimeMs: number, nowMs: number): boolean =>
  state === "RUNNING" && nowMs - readyAtMs >= minReadyTimeMs;

/** What a move to another state may set beside it. */
export type Move = Partial<Pick<ReplicaRecord, "message" | "gpuIndexes" | "address" | "token" | "failing">>;

/** The record moved forward. Invariant: a state never goes back, and an ended replica does not move. */
export function advance(replica: ReplicaRecord, state: ReplicaState, nowMs: number, set: Move = {}): ReplicaRecord {
  if (order[state] <= order[replica.state]) throw new Error(`a replica cannot go from ${replica.state} to ${state}`);
  const readyAtMs = state === "RUNNING" ? nowMs : replica.readyAtMs;
  return { ...replica, message: "", ...set, state, sinceMs: nowMs, readyAtMs };
}

/** How far the packages are that a replica requires. */
export type Preparation =
  | { readonly kind: "ready" }
  /** `what` is for a person, such as `installing 3 packages`. */
  | { readonly kind: "installing"; readonly what: string }
  /** Why, and the last lines of the tool. */
  | { readonly kind: "failed"; readonly reason: string; readonly lines: readonly string[] };
