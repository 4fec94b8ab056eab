import { type Sentence, sentences } from "./sentences.ts";

/** What became of a sentence. */
export type Outcome =
  | { readonly kind: "holds" }
  | { readonly kind: "broken"; readonly expected: string; readonly came: string }
  | { readonly kind: "unchecked"; readonly why: string };

/** A sentence with what became of it. */
export interface Verdict {
  readonly sentence: Sentence;
  readonly outcome: Outcome;
}

/** How a verdict counts: a `should` that does not hold is a warning, and fails nothing. */
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

/** A check that asks for something the replica did not do goes no further. */
export function expectThat(condition: boolean, expected: string, came: string): void {
  if (!condition) throw new Ended(broken(expected, came));
}

/** All sentences in their order. `why`: those without an outcome were not checked. */
export function verdictsOf(outcomes: ReadonlyMap<string, Outcome>, why: string): readonly Verdict[] {
  return sentences.map((sentence) => ({ sentence, outcome: outcomes.get(sentence.id) ?? unchecked(why) }));
}

export function standingOf({ sentence, outcome }: Verdict): Standing {
  if (outcome.kind !== "broken") return outcome.kind;
  return sentence.level === "must" ? "fails" : "warns";
}

export function countsOf(verdicts: readonly Verdict[]): Readonly<Record<Standing, number>> {
  const counts = { holds: 0, fails: 0, warns: 0, unchecked: 0 };
  for (const verdict of verdicts) counts[standingOf(verdict)]++;
  return counts;
}
