import type { HealthProblem } from "./ending.ts";

/** A resource of which there is too little. Thousandths, or bytes of memory. */
export interface Shortage {
  readonly resource: "cpu" | "gpu" | "memory" | "custom";
  /** Set for a custom resource. */
  readonly name?: string;
  readonly wanted: number;
  /** Of a share of one GPU: the most that is free of one. Of whole GPUs: those that are free entirely. */
  readonly free: number;
  readonly total: number;
}

/** Why a replica does not serve yet. The first four are waits for room, of a PENDING replica; the others of a STARTING one. */
export type Wait =
  /** Others hold what it needs. */
  | { readonly kind: "resources"; readonly short: readonly Shortage[] }
  /** It wants more than there is altogether: it can never start here. */
  | { readonly kind: "neverFits"; readonly short: readonly Shortage[] }
  /** What is free is kept for another replica, which has waited longer for more. */
  | { readonly kind: "turn"; readonly keptFor: string }
  /** The engine places replicas, and says so of this one. */
  | { readonly kind: "engine"; readonly reason: string }
  | { readonly kind: "packages"; readonly packages: number }
  /** Its process runs and does not serve so far. */
  | { readonly kind: "notServing"; readonly problem: HealthProblem };

/** Whether it is a wait for room, which others may have to make. */
export const isForRoom = ({ kind }: Wait): boolean => kind === "resources" || kind === "neverFits" || kind === "turn" || kind === "engine";

/** A replica that waits for room. */
export interface WaitingReplica {
  readonly replicaId: string;
  readonly wait: Wait;
}
