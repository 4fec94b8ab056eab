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
}
