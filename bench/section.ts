/** The width of notes in Markdown. */
const columnsMax = 100;

/** The result of one measurement: a table, and sentences on how to read it. */
export interface Section {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly notes: readonly string[];
}

/** Short runs, to check that everything works; their figures mean nothing. */
export const quick = process.argv.includes("--quick");

/** Measures, and sends the result to `run.ts`, or prints it if this file was run by itself. */
export async function present(measure: () => Promise<readonly Section[]>): Promise<void> {
  const sections = await measure();
  if (process.send === undefined) console.log(sections.map(markdownOf).join("\n"));
  else await new Promise<void>((sent, fail) => process.send?.(sections, (error: Error | null) => (error === null ? sent() : fail(error))));
  process.disconnect?.();
}

/** The section in Markdown, with aligned columns: words to the left, numbers to the right. */
export function markdownOf({ title, columns, rows, notes }: Section): string {
  const widths = columns.map((column, index) => Math.max(3, column.length, ...rows.map((row) => row[index]?.length ?? 0)));
  const isNumber = columns.map((_, index) => rows.every((row) => /^[\d,.]+$|^$/.test(row[index] ?? "")));
  const line = (cells: readonly string[]) =>
    `| ${widths.map((width, index) => (isNumber[index] ? (cells[index] ?? "").padStart(width) : (cells[index] ?? "").padEnd(width))).join(" | ")} |`;
  const rule = widths.map((width, index) => (isNumber[index] ? `${"-".repeat(width - 1)}:` : "-".repeat(width)));
  const prose = notes.length > 0 ? ["", ...notes.flatMap(wrapped)] : [];
  return `${[`### ${title}`, "", line(columns), line(rule), ...rows.map(line), ...prose].join("\n")}\n`;
}

/** Breaks a note into lines of at most {@link columnsMax}, but not inside code. */
function wrapped(note: string): readonly string[] {
  const lines: string[] = [];
  for (const word of note.match(/(?:`[^`]*`|\S)+/g) ?? []) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= columnsMax) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

/** A number for people: with `decimals` decimals and separated thousands. */
export function figure(value: number, decimals = 0): string {
  return value.toLocaleString("en", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}
