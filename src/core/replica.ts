import type { Departure } from "./departure.ts";
import type { Ending, ReplicaFailure } from "./ending.ts";
import type { Resources } from "./resources.ts";
import { isForRoom, type Wait } from "./wait.ts";

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
  /** Why it does not serve yet, where that is known. Only while it is PENDING or STARTING. */
  readonly waits?: Wait;
  /** Why it is taken away. Set with DRAINING, or with STOPPED. */
  readonly departure?: Departure;
  /** Why it failed. Set with FAILED, and where it is drained because it does not work. */
  readonly failure?: ReplicaFailure;
  /** How its process ended. Set with STOPPED; of a FAILED replica, `failure` says it. */
  readonly ending?: Ending;
  /** Set: it was killed, as it did not end within so long after SIGTERM. */
  readonly killedAfterMs?: number;
  readonly resources: Resources;
  /** The GPUs it holds, by index; given with STARTING. */
  readonly gpuIndexes: readonly number[];
  /** Where it was placed: a node's name as its engine tells it; unset: not placed yet. */
  readonly node?: string;
  /** Where it listens, `unix:/path` or `host:port`, as the engine told it; unset: not told yet. */
  readonly address?: string;
  /** Proves the controller to it; written before it is started. */
  readonly token: string;
  readonly createdAtMs: number;
  /** When its state last changed. */
  readonly sinceMs: number;
  /** When it became RUNNING; undefined: never. */
  readonly readyAtMs?: number;
}

const order: Readonly<Record<ReplicaState, number>> = { PENDING: 0, STARTING: 1, RUNNING: 2, DRAINING: 3, STOPPED: 4, FAILED: 4 };

/** Whether a replica in this state has ended. */
export const hasEnded = (state: ReplicaState): boolean => order[state] === 4;

/** Whether a replica in this state counts towards the target: it serves, or will. */
export const counts = (state: ReplicaState): boolean => order[state] <= 2;

/** Whether a replica in this state holds the resources it was given. */
export const holds = (state: ReplicaState): boolean => order[state] >= 1 && order[state] <= 3;

/** Whether it can be counted on: it runs, and has for `minReadyTimeMs`. */
export const isAvailable = (
  { state, readyAtMs = Number.POSITIVE_INFINITY }: ReplicaRecord,
  minReadyTimeMs: number,
  nowMs: number,
): boolean => state === "RUNNING" && nowMs - readyAtMs >= minReadyTimeMs;

/** Whether it waits for room: it was tried to place it, and it did not fit. */
export const waitsForRoom = ({ state, waits }: ReplicaRecord): boolean => state === "PENDING" && waits !== undefined && isForRoom(waits);

/** Whether it is taken away because it does not work, not because it is one too many. */
export const isFailing = ({ departure }: ReplicaRecord): boolean => departure?.kind === "failing";

/** What a move to another state may set as well. */
export type Move = Partial<Pick<ReplicaRecord, "departure" | "failure" | "ending" | "killedAfterMs" | "gpuIndexes" | "node" | "token">>;

/** The record moved forward. Invariant: a state never goes back, and an ended replica does not move. */
export function advance(replica: ReplicaRecord, state: ReplicaState, nowMs: number, set: Move = {}): ReplicaRecord {
  if (order[state] <= order[replica.state]) throw new Error(`a replica cannot go from ${replica.state} to ${state}`);
  const { waits, ...rest } = replica;
  return { ...rest, ...set, state, sinceMs: nowMs, ...(state === "RUNNING" && { readyAtMs: nowMs }) };
}
