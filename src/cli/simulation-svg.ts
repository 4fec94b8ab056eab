import { printDuration } from "./duration.ts";
import { type SimulationColumn, ticksUpTo } from "./simulation.ts";

// Written by hand: no small, maintained library draws a whole chart without a DOM. Large libraries
// (echarts, vega) are too much for three lines, and d3-shape would only replace `path` below.

const [width, height] = [1_010, 420];
const area = { left: 60, right: 980, top: 50, bottom: 370 } as const;
/** One pixel each. */
export const svgColumns = area.right - area.left;

const series = [
  { key: "needed", name: "load / target_ongoing_requests", style: 'fill="#9ecae1" fill-opacity="0.6" stroke="none"' },
  { key: "wanted", name: "replicas wanted", style: 'fill="none" stroke="#e6550d" stroke-width="1.5" stroke-dasharray="4 3"' },
  { key: "running", name: "replicas running", style: 'fill="none" stroke="#31a354" stroke-width="2"' },
] as const;

/** A picture of load, replicas wanted and replicas running over time, as SVG text. */
export function simulationSvg(columns: readonly SimulationColumn[], lengthMs: number, title: string): string {
  const highest = Math.max(1, ...columns.flatMap(({ needed, wanted, running }) => [needed, wanted, running]));
  const ticks = ticksUpTo(highest, 6);
  const x = (atMs: number) => area.left + ((area.right - area.left) * atMs) / Math.max(1, lengthMs);
  const y = (value: number) => area.bottom - ((area.bottom - area.top) * value) / highest;
  const times = Array.from({ length: 7 }, (_, index) => (lengthMs * index) / 6);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12" fill="#333">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="white"/>`,
    `<text x="${area.left}" y="20" font-size="14">${escaped(title)}</text>`,
    ...ticks.map((value) => gridLine(y(value), String(value))),
    ...times.map((atMs) => `<text x="${round(x(atMs))}" y="${area.bottom + 20}" text-anchor="middle">${printDuration(atMs)}</text>`),
    ...series.map(({ key, style }) => `<path d="${path(columns, key, x, y)}" ${style}/>`),
    ...series.map(({ name, style }, index) => legend(area.left + index * 240, name, style)),
    "</svg>\n",
  ].join("\n");
}

/** A path of steps from the begin to the end; closed along the bottom where it is filled. */
function path(
  columns: readonly SimulationColumn[],
  key: (typeof series)[number]["key"],
  x: (atMs: number) => number,
  y: (value: number) => number,
): string {
  const steps: string[] = [];
  let last: number | undefined;
  for (const { atMs, [key]: value } of columns) {
    if (value === last) continue;
    steps.push(`${last === undefined ? `M${round(x(atMs))},` : `H${round(x(atMs))}V`}${round(y(value))}`);
    last = value;
  }
  return `${steps.join("")}H${area.right}${key === "needed" ? `V${area.bottom}H${area.left}Z` : ""}`;
}

function gridLine(at: number, label: string): string {
  return [
    `<path d="M${area.left},${round(at)}H${area.right}" stroke="#ddd"/>`,
    `<text x="${area.left - 8}" y="${round(at + 4)}" text-anchor="end">${label}</text>`,
  ].join("");
}

function legend(at: number, name: string, style: string): string {
  return `<path d="M${at},36h24v8h-24Z" ${style}/><text x="${at + 30}" y="44">${name}</text>`;
}

const round = (value: number): number => Math.round(value * 10) / 10;

function escaped(text: string): string {
  // XML has no way to write other control characters.
  return text
    .replace(/\p{Cc}/gu, " ")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;");
}
