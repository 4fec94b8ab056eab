const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** Milliseconds of `20s`, `500ms`, `1.5h` or `1h30m`; undefined: not a duration. */
export function parseDurationMs(text: string): number | undefined {
  if (!/^(\d{1,12}(\.\d{1,9})?(ms|s|m|h))+$/.test(text)) return undefined;
  let sum = 0;
  for (const [, amount, unit] of text.matchAll(/([\d.]+)(ms|s|m|h)/g)) sum += Number(amount) * (unitMs[unit ?? ""] ?? 0);
  return sum;
}

/**
 * Milliseconds of a time in code: seconds as a number, or text as above. Undefined: it is neither, or
 * negative.
 */
export function millisecondsOf(time: unknown): number | undefined {
  if (typeof time === "string") return parseDurationMs(time);
  return typeof time === "number" && Number.isFinite(time) && time >= 0 ? time * 1_000 : undefined;
}

/** A duration as proto JSON writes it: seconds with an `s`. */
export function protoDuration(ms: number): string {
  return `${(ms / 1_000).toFixed(9).replace(/\.?0+$/, "")}s`;
}
