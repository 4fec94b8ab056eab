import { countsOf, type Outcome, type SentenceVerdict, type Standing, standingOf } from "../conformance/outcome.ts";
import type { Json } from "../core/json.ts";
import { plain } from "./plain-text.ts";
import type { Colors } from "./session.ts";

const marks: Readonly<Record<Standing, string>> = { holds: "✓", fails: "✗", warns: "!", unchecked: "–" };

/** From this many on, sentences that were not checked for the same reason are listed together. */
const togetherMin = 5;

/**
 * The verdicts under their subjects, one on a line; below those that do not hold, what was expected
 * and what came.
 */
export function verdictLines(verdicts: readonly SentenceVerdict[], colors: Colors): readonly string[] {
  const shared = sharedReasons(verdicts);
  const alone = verdicts.filter(({ outcome }) => !(outcome.kind === "unchecked" && shared.has(outcome.why)));
  const subjects = [...new Set(alone.map(({ sentence }) => sentence.subject))];
  return [
    ...subjects.flatMap((subject) => [
      colors.bold(subject),
      ...alone.filter(({ sentence }) => sentence.subject === subject).flatMap((verdict) => linesOf(verdict, colors)),
      "",
    ]),
    ...[...shared].flatMap(([why, alike]) => [
      colors.bold("not checked"),
      `  ${why}:`,
      ...alike.map(({ sentence }) => `    ${colors.dim(`${marks.unchecked} ${sentence.subject}: ${sentence.text}`)}`),
      "",
    ]),
  ];
}

function sharedReasons(verdicts: readonly SentenceVerdict[]): ReadonlyMap<string, readonly SentenceVerdict[]> {
  const reason = ({ outcome }: SentenceVerdict) => (outcome.kind === "unchecked" ? outcome.why : "");
  return new Map([...Map.groupBy(verdicts, reason)].filter(([why, alike]) => why !== "" && alike.length >= togetherMin));
}

function linesOf(verdict: SentenceVerdict, colors: Colors): readonly string[] {
  const { sentence, outcome } = verdict;
  const standing = standingOf(verdict);
  const color = { holds: colors.green, fails: colors.red, warns: colors.yellow, unchecked: colors.dim }[standing];
  return [`  ${color(marks[standing])} ${sentence.text}`, ...reasonsOf(outcome).map((line) => `      ${colors.dim(line)}`)];
}

function reasonsOf(outcome: Outcome): readonly string[] {
  if (outcome.kind === "holds") return [];
  if (outcome.kind === "unchecked") return [`not checked: ${outcome.why}`];
  return [`expected: ${outcome.expected}`, `came:     ${oneLine(outcome.came)}`];
}

function oneLine(text: string): string {
  return plain(text).trim().replaceAll("\n", " | ");
}

/** The last line: `31 hold, 1 does not, 2 warnings, 4 not checked`. */
export function countsLine(verdicts: readonly SentenceVerdict[]): string {
  const { holds, fails, warns, unchecked } = countsOf(verdicts);
  const parts = [
    `${holds} ${holds === 1 ? "holds" : "hold"}`,
    `${fails} ${fails === 1 ? "does" : "do"} not`,
    ...(warns > 0 ? [`${warns} ${warns === 1 ? "warning" : "warnings"}`] : []),
    `${unchecked} not checked`,
  ];
  return parts.join(", ");
}

/**
 * The report for scripts. `stderr`: the last lines of a program that did not start or ended by
 * itself.
 */
export function reportJson(verdicts: readonly SentenceVerdict[], stderr: readonly string[]): Json {
  const { holds, fails, warns, unchecked } = countsOf(verdicts);
  return {
    sentences: verdicts.map((verdict) => {
      const { kind: _, ...facts } = verdict.outcome;
      const { id, subject, text, level } = verdict.sentence;
      return { id, subject, text, level, outcome: standingOf(verdict), ...facts };
    }),
    counts: { holds, fails, warns, unchecked },
    stderr: [...stderr],
  };
}
