/** What one measurement found: a table, and sentences on how to read it. */
export interface Section {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly notes: readonly string[];
}

/** Short runs, to see that everything works: their figures say nothing. */
export const quick = process.argv.includes("--quick");

/** Measures, and gives what was found to `run.ts`, or to the terminal where this file was run by itself. */
export async function present(measure: () => Promise<readonly Section[]>): Promise<void> {
  const sections = await measure();
  if (process.send === undefined) console.log(sections.map(markdownOf).join("\n"));
  else await new Promise<void>((sent, fail) => process.send?.(sections, (error: Error | null) => (error === null ? sent() : fail(error))));
  process.disconnect?.();
}

/** The section in Markdown, with columns wide enough to be read as they stand: words to the left, numbers to the right. */
export function markdownOf({ title, columns, rows, notes }: Section): string {
  const widths = columns.map((column, index) => Math.max(3, column.length, ...rows.map((row) => row[index]?.length ?? 0)));
  const isNumber = columns.map((_, index) => rows.every((row) => /^[\d,.]+$|^$/.test(row[index] ?? "")));
  const line = (cells: readonly string[]) =>
    `| ${widths.map((width, index) => (isNumber[index] ? (cells[index] ?? "").padStart(width) : (cells[index] ?? "").padEnd(width))).join(" | ")} |`;
  const rule = widths.map((width, index) => (isNumber[index] ? `${"-".repeat(width - 1)}:` : "-".repeat(width)));
  return `${[`### ${title}`, "", line(columns), line(rule), ...rows.map(line), ...(notes.length > 0 ? ["", ...notes] : [])].join("\n")}\n`;
}

/** A figure as people write it: at most `decimals` decimals, thousands apart. */
export function figure(value: number, decimals = 0): string {
  return value.toLocaleString("en", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}
