/** The part of the controller that decides. */
export type DecisionSource = "ROLLOUT" | "AUTOSCALER";

/** One rule that was applied in a decision. */
export interface DecisionRule {
  readonly name: string;
  readonly value: number;
  /** The value in words. */
  readonly meaning: string;
}

/** What was decided, and why. A plan makes it, before it gets its number. */
export interface Verdict {
  readonly source: DecisionSource;
  /** The decision as a sentence. */
  readonly summary: string;
  /** The name of the rule among `rules` that limited the decision. Undefined: none did. */
  readonly bound: string | undefined;
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
