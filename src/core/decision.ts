/** Who decides. */
export type DecisionSource = "ROLLOUT" | "AUTOSCALER";

/** What one rule said to a decision. */
export interface DecisionRule {
  readonly name: string;
  readonly value: number;
  /** The value in words. */
  readonly meaning: string;
}

/** What was decided, and why; what a plan makes of it before it is numbered. */
export interface Verdict {
  readonly source: DecisionSource;
  /** In words. */
  readonly summary: string;
  /** The rule that kept it from doing more, by its name among `rules`; empty: none did. */
  readonly bound: string;
  /** What it was decided from. */
  readonly inputs: Readonly<Record<string, number>>;
  readonly rules: readonly DecisionRule[];
}

/** A decision as kept. Written by the loops only, once. */
export interface DecisionRecord extends Verdict {
  readonly uid: string;
  readonly deployment: string;
  /** Grows with each decision for the deployment, from 1. */
  readonly number: number;
  readonly atMs: number;
}

/** Decisions kept for a deployment. */
export const decisionsKept = 100;
