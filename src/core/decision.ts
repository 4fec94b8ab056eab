/** The part of the controller that decides. */
export type DecisionSource = "ROLLOUT" | "AUTOSCALER";

/** The rules that may limit a step of a rollout. */
export type StepRule =
  | "paused"
  | "backoff"
  | "one_at_a_time"
  | "packages"
  | "capacity"
  | "unproven"
  | "max_surge"
  | "max_unavailable"
  | "min_ready_time";

/** The rules by which a rollout fails, and by which it is not rolled back. */
export type FailureRule = "max_start_failures" | "progress_deadline" | "rollback_of_rollback" | "no_healthy_revision";

/** The rules of the autoscaler. */
export type AutoscalingRule =
  | "upscale_delay"
  | "buffer_replicas"
  | "starting"
  | "downscale_delay"
  | "downscale_to_zero_delay"
  | "burst"
  | "zero"
  | "stale_load"
  | "look_back_period"
  | "min_replicas"
  | "max_replicas";

export type RuleName = StepRule | FailureRule | AutoscalingRule;

/** One rule that was applied in a decision. */
export interface DecisionRule {
  readonly name: RuleName;
  readonly value: number;
  /** The value in words. */
  readonly meaning: string;
}

/**
 * Why a rollout does nothing. Invariant: it stays equal while nothing changes. So it has no time
 * that is left, and no amount that other deployments change; the rules have those.
 */
export type Hold =
  | { readonly kind: "paused"; readonly revision: number; readonly replicas: number }
  | { readonly kind: "backoff"; readonly failedStarts: number }
  | { readonly kind: "packages"; readonly revision: number }
  /** This replica waits for room. */
  | { readonly kind: "room"; readonly replicaId: string }
  /** A new replica has no room, and no old one may be missing. */
  | { readonly kind: "blocked" };

/** What was decided, and why. A plan makes it, before it gets its number. */
export interface Verdict {
  readonly source: DecisionSource;
  /** The decision as a sentence. */
  readonly summary: string;
  /** The name of the rule among `rules` that limited the decision. Undefined: none did. */
  readonly bound: RuleName | undefined;
  /**
   * Why the rollout does nothing. A decision with the same hold as the one before is not stored.
   * Absent: the decision does something, or is the autoscaler's.
   */
  readonly hold?: Hold;
  /** The numbers that the decision was made from. */
  readonly inputs: Readonly<Record<string, number>>;
  readonly rules: readonly DecisionRule[];
}

/** A stored decision. Written once, by the loops. */
export interface DecisionRecord extends Verdict {
  readonly uid: string;
  readonly deployment: string;
  /** Grows with each decision for the deployment, from 1. */
  readonly number: number;
  readonly atMs: number;
}

/** Decisions kept per deployment. */
export const decisionsKept = 100;
