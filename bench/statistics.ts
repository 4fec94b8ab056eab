/**
 * The value that `share` of the values are at or below (nearest rank), `share` in (0, 1]. Fails
 * without values.
 */
export function quantile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort();
  const value = sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
  if (value === undefined) throw new Error("there is nothing to take a quantile of");
  return value;
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);
