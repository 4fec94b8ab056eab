import { type MultiLine, plot } from "simple-ascii-chart";
import { printDuration } from "./duration.ts";
import type { Output } from "./io.ts";
import type { Colors } from "./session.ts";
import { type SimulationColumn, ticksUpTo } from "./simulation.ts";

const [widthDefault, widthMax, height] = [80, 160, 12];
/** The columns of the axis and its numbers. */
const axisWidth = 10;

/** The width of a chart in columns. */
export function chartWidth({ columns = widthDefault }: Output): number {
  return Math.max(20, Math.min(widthMax, columns) - axisWidth);
}

/**
 * Lines of replicas over time for a terminal: one chart where colours tell its lines apart, else
 * one below the other.
 */
export function chartText(columns: readonly SimulationColumn[], colors: Colors): string {
  const needed = { name: "load / target_ongoing_requests", color: "ansiCyan", values: columns.map(({ needed }) => needed) } as const;
  const running = { name: "replicas running", color: "ansiYellow", values: columns.map(({ running }) => running) } as const;
  const highest = Math.max(1, ...needed.values, ...running.values);
  const lineOf = (values: readonly number[]) => values.map((value, index): [number, number] => [index, value]);
  const draw = (lines: MultiLine, more: Parameters<typeof plot>[1]) =>
    plot(lines, {
      width: columns.length,
      height,
      yRange: [0, highest],
      customYAxisTicks: [...ticksUpTo(highest, 4)],
      customXAxisTicks: timeTicks(columns),
      formatter: (value, { axis }) => (axis === "x" ? printDuration(columns[value]?.atMs ?? 0) : value),
      ...more,
    })
      .split("\n")
      .map((line) => line.trimEnd())
      .filter((line) => line !== "")
      .join("\n");
  const both = [needed, running];
  if (colors.isColorSupported)
    return draw(
      both.map(({ values }) => lineOf(values)),
      { color: both.map(({ color }) => color), legend: { position: "bottom", series: both.map(({ name }) => name) } },
    );
  return both.map(({ name, values }) => `${name}\n${draw([lineOf(values)], {})}`).join("\n\n");
}

/** Five times, at columns that leave room for their names. */
function timeTicks(columns: readonly SimulationColumn[]): number[] {
  const apart = Math.max(1, Math.floor(columns.length / 5));
  return columns.map((_, index) => index).filter((index) => index % apart === 0 && index + apart / 2 < columns.length);
}
