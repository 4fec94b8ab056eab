import { type ActingTime, elapsedMs } from "./acting-time.ts";
import type { Departure } from "./departure.ts";
import type { Ending, ReplicaFailure } from "./ending.ts";
import type { Resources } from "./resources.ts";
import { isForRoom, type Wait } from "./wait.ts";

/** The lifecycle of a replica. It only moves forward ({@link advance}). */
export type ReplicaState = "PENDING" | "STARTING" | "RUNNING" | "DRAINING" | "STOPPED" | "FAILED";

/**
 * A replica as decided. Written by the reconcile loop only. Observations other than its ending,
 * node and address are not stored.
 */
export interface ReplicaRecord {
  readonly id: string;
  readonly deployment: string;
  /** The deployment's uid. */
  readonly uid: string;
  readonly revision: number;
  readonly state: ReplicaState;
  /** Why the replica does not serve yet, if known. Only set while it is PENDING or STARTING. */
  readonly waits?: Wait;
  /** Why the replica is removed. Set with DRAINING, or with STOPPED. */
  readonly departure?: Departure;
  /**
   * Why the replica failed. Set with FAILED, and with DRAINING if it is removed because it does not
   * work.
   */
  readonly failure?: ReplicaFailure;
  /** How the process ended. Set with STOPPED; for a FAILED replica see `failure`. */
  readonly ending?: Ending;
  /** Set: the process was killed, because it did not end within this time after SIGTERM. */
  readonly killedAfterMs?: number;
  readonly resources: Resources;
  /** The GPUs the replica holds, by index. Set with STARTING. */
  readonly gpuIndexes: readonly number[];
  /** The node where it runs, named by the engine. Unset: not placed yet. */
  readonly node?: string;
  /**
   * Where the replica listens, `unix:/path` or `host:port`, as reported by the engine. Unset: not
   * reported yet.
   */
  readonly address?: string;
  /**
   * Proves to the replica that a caller is the controller. Written before the replica is started;
   * empty until then.
   */
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

/** Whether a replica in this state counts towards the target: it serves, or will serve. */
export const counts = (state: ReplicaState): boolean => order[state] <= 2;

/** Whether a replica in this state holds resources. */
export const holds = (state: ReplicaState): boolean => order[state] >= 1 && order[state] <= 3;

/** Whether the replica is available: RUNNING for at least `minReadyTimeMs`. */
export const isAvailable = (
  { state, readyAtMs = Number.POSITIVE_INFINITY }: ReplicaRecord,
  minReadyTimeMs: number,
  time: ActingTime,
): boolean => state === "RUNNING" && elapsedMs(readyAtMs, time) >= minReadyTimeMs;

/** Whether the replica waits for room: placement was tried, and it did not fit. */
export const waitsForRoom = ({ state, waits }: ReplicaRecord): boolean => state === "PENDING" && waits !== undefined && isForRoom(waits);

/** Whether the replica is removed because it does not work, not because there is one too many. */
export const isFailing = ({ departure }: ReplicaRecord): boolean => departure?.kind === "failing";

/** What else a move to another state may set. */
export type Move = Partial<Pick<ReplicaRecord, "departure" | "failure" | "ending" | "killedAfterMs" | "gpuIndexes" | "node" | "token">>;

/**
 * The record moved forward to `state`. Invariant: a state never goes back, and an ended replica
 * does not move.
 */
export function advance(replica: ReplicaRecord, state: ReplicaState, nowMs: number, set: Move = {}): ReplicaRecord {
  if (order[state] <= order[replica.state]) throw new Error(`a replica cannot go from ${replica.state} to ${state}`);
  const { waits, ...rest } = replica;
  return { ...rest, ...set, state, sinceMs: nowMs, ...(state === "RUNNING" && { readyAtMs: nowMs }) };
}
