const blocks = [..."▁▂▃▄▅▆▇█"];

/**
 * A line of blocks, one for each value: the lowest block is 0, the full one the highest value, or
 * `highest` where that is more.
 */
export function sparkline(values: readonly number[], highest = 0): string {
  const most = values.reduce((most, value) => Math.max(most, value), highest);
  return values.map((value) => blocks[blockOf(value, most)] ?? "").join("");
}

/** Only 0 has the lowest block, so that every other value shows. */
function blockOf(value: number, most: number): number {
  if (!(value > 0)) return 0;
  return Math.max(1, Math.round((value / most) * (blocks.length - 1)));
}
