import { type Sentence, sentences } from "./sentences.ts";

/** The outcome of a sentence. */
export type Outcome =
  | { readonly kind: "holds" }
  | { readonly kind: "broken"; readonly expected: string; readonly came: string }
  | { readonly kind: "unchecked"; readonly why: string };

/** A sentence with its outcome. */
export interface SentenceVerdict {
  readonly sentence: Sentence;
  readonly outcome: Outcome;
}

/**
 * How a verdict counts: a `should` that does not hold is a warning, and does not fail the check.
 */
export type Standing = "holds" | "fails" | "warns" | "unchecked";

export const holds: Outcome = { kind: "holds" };

export function broken(expected: string, came: string): Outcome {
  return { kind: "broken", expected, came };
}

export function unchecked(why: string): Outcome {
  return { kind: "unchecked", why };
}

/** Ends a check early with its outcome. */
export class Ended extends Error {
  override readonly name = "Ended";
  readonly outcome: Outcome;

  constructor(outcome: Outcome) {
    super(outcome.kind);
    this.outcome = outcome;
  }
}

/** Ends the check, as broken, unless the condition holds. */
export function expectThat(condition: boolean, expected: string, came: string): void {
  if (!condition) throw new Ended(broken(expected, came));
}

/** All sentences in their order. Those without an outcome were not checked, because of `why`. */
export function verdictsOf(outcomes: ReadonlyMap<string, Outcome>, why: string): readonly SentenceVerdict[] {
  return sentences.map((sentence) => ({ sentence, outcome: outcomes.get(sentence.id) ?? unchecked(why) }));
}

export function standingOf({ sentence, outcome }: SentenceVerdict): Standing {
  if (outcome.kind !== "broken") return outcome.kind;
  return sentence.level === "must" ? "fails" : "warns";
}

export function countsOf(verdicts: readonly SentenceVerdict[]): Readonly<Record<Standing, number>> {
  const counts = { holds: 0, fails: 0, warns: 0, unchecked: 0 };
  for (const verdict of verdicts) counts[standingOf(verdict)]++;
  return counts;
}
