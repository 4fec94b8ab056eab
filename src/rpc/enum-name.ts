/**
 * The name of an enum's value, without the enum's prefix; UNKNOWN for zero and for numbers that
 * this version does not know.
 */
export function nameOf(values: Readonly<Record<string, number>>, value: number | undefined): string {
  return Object.entries(values).find(([, number]) => number === value && number !== 0)?.[0] ?? "UNKNOWN";
}
