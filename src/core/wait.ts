import type { HealthProblem, Preparing } from "./ending.ts";

/** A resource that is short. Amounts are thousandths, or bytes of memory. */
export interface Shortage {
  readonly resource: "cpu" | "gpu" | "memory" | "custom";
  /** Set for a custom resource. */
  readonly name?: string;
  readonly wanted: number;
  /**
   * If a share of one GPU is wanted: the most that is free of one GPU. If whole GPUs are wanted:
   * those that are entirely free.
   */
  readonly free: number;
  readonly total: number;
}

/**
 * Why a replica does not serve yet. The first four kinds are waits for room, of a PENDING replica;
 * the others are of a STARTING one.
 */
export type Wait =
  /** Other replicas hold what it needs. */
  | { readonly kind: "resources"; readonly short: readonly Shortage[] }
  /** The replica wants more than the machine has: it can never start here. */
  | { readonly kind: "neverFits"; readonly short: readonly Shortage[] }
  /** Free resources are kept for another replica, which has waited longer for more. */
  | { readonly kind: "turn"; readonly keptFor: string }
  /** The engine places replicas, and gives this reason. */
  | { readonly kind: "engine"; readonly reason: string }
  | ({ readonly kind: "packages" } & Preparing)
  /** The process runs but does not serve yet. */
  | { readonly kind: "notServing"; readonly problem: HealthProblem };

/** Whether this is a wait for room, which other replicas may have to make. */
export const isForRoom = ({ kind }: Wait): boolean => kind === "resources" || kind === "neverFits" || kind === "turn" || kind === "engine";

/** A replica that waits for room. */
export interface WaitingReplica {
  readonly replicaId: string;
  readonly wait: Wait;
}
