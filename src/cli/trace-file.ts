import { CliError } from "./cli-error.ts";

/** The columns of a trace, each by its name in the header, or by its number from 1. */
export interface TraceColumns {
  /** Default: `time` where the header has it, else the first. */
  readonly time?: string | undefined;
  /** The column of numbers. Default: `standard` where the header has it, else the second. */
  readonly value?: string | undefined;
  /** The usual name of the column of numbers. */
  readonly standard: "requests" | "duration";
  /** Whether there must be numbers: a list of times alone is a trace of arrivals. */
  readonly required: boolean;
}

/** One row: a time and its number. */
export interface TraceRow {
  readonly timeMs: number;
  /** Undefined: the trace has times only. */
  readonly value: number | undefined;
  /** The line in the file, from 1. */
  readonly line: number;
}

/** The most problems of one file that are shown; the others are counted. */
const shownMax = 10;
/** Times as a protobuf timestamp can hold them: years 1 to 9999. */
const [timeMinMs, timeMaxMs] = [-62_135_596_800_000, 253_402_300_799_999];

/**
 * The rows of a CSV text. Throws one `CliError` with every problem and its line, such as
 * `load.csv:7: requests: must be a number, not "many"`.
 */
export function parseTrace(file: string, text: string, columns: TraceColumns): readonly TraceRow[] {
  const lines = text.replace(/^\uFEFF/, "").split(/\r\n|\n|\r/);
  while (lines.at(-1)?.trim() === "") lines.pop();
  const first = cellsOf(lines[0] ?? "");
  if (lines.length === 0) throw new CliError(`${file}: holds no rows`);
  // A header has names only. One may be empty: some programs do not name the column of row numbers.
  const header = first.every((cell) => timeOf(cell) === undefined) && first.some((cell) => cell !== "") ? first : undefined;
  const time = findColumn(file, header, first.length, columns.time, "time", 0);
  const optional = columns.value === undefined && !columns.required;
  const value = optional
    ? optionalColumn(header, first.length, columns.standard, time)
    : findValue(file, header, first.length, columns, time);
  const rows: TraceRow[] = [];
  const problems: string[] = [];
  const form = formOf(cellsOf(lines[header === undefined ? 0 : 1] ?? "")[time] ?? "");
  for (let index = header === undefined ? 0 : 1; index < lines.length; index++) {
    const line = index + 1;
    const row = readRow(lines[index] ?? "", { time, value, header, form, standard: columns.standard });
    if (typeof row === "string") problems.push(`${file}:${line}: ${row}`);
    else rows.push({ ...row, line });
  }
  const more = problems.length - shownMax;
  if (problems.length > 0) throw new CliError([...problems.slice(0, shownMax), ...(more > 0 ? [`and ${more} more`] : [])]);
  if (rows.length === 0) throw new CliError(`${file}: holds no rows`);
  return rows;
}

interface RowForm {
  readonly time: number;
  readonly value: number | undefined;
  readonly header: readonly string[] | undefined;
  readonly form: "seconds" | "ISO 8601";
  readonly standard: TraceColumns["standard"];
}

/** The row, or what is wrong with it. */
function readRow(text: string, { time, value, header, form, standard }: RowForm): Omit<TraceRow, "line"> | string {
  const cells = cellsOf(text);
  if (text.trim() === "") return "the line is empty";
  const timeCell = cells[time] ?? "";
  const timeName = header?.[time] ?? "time";
  if (timeCell === "") return `${timeName}: is empty`;
  const timeMs = timeOf(timeCell);
  if (timeMs === undefined)
    return `${timeName}: must be seconds, or ISO 8601 as in 2026-01-31T09:30:00Z, not ${JSON.stringify(shortened(timeCell))}`;
  if (formOf(timeCell) !== form) return `${timeName}: must be ${form} as in the first row, not ${JSON.stringify(timeCell)}`;
  if (value === undefined) return { timeMs, value: undefined };
  const valueName = header?.[value] ?? standard;
  const cell = cells[value] ?? "";
  if (cell === "") return `${valueName}: is empty`;
  const number = numberOf(cell);
  if (number === undefined) return `${valueName}: must be a number, not ${JSON.stringify(shortened(cell))}`;
  return number < 0 ? `${valueName}: must be 0 or more, not ${cell}` : { timeMs, value: number };
}

/**
 * The column of numbers. In a file of more than two columns it must be named, as any other could be
 * meant.
 */
function findValue(file: string, header: RowForm["header"], count: number, { value, standard }: TraceColumns, time: number): number {
  if (value === undefined && count > 2 && !header?.some((name) => name.toLowerCase() === standard))
    throw new CliError([
      `${file}:1: ${standard}: there is no such column; there are ${header?.join(", ") ?? `${count}, without a header`}`,
      `name it with --${standard}-column; rows of requests that arrive need --duration-column or --service-time`,
    ]);
  const column = findColumn(file, header, count, value, standard, time === 1 ? 0 : 1);
  if (column < count) return column;
  throw new CliError([
    `${file}:1: ${standard}: there is no such column`,
    "a trace has the columns time and requests; a trace of times only needs --service-time",
  ]);
}

/**
 * The column of durations in a list of arrivals, if it has one: by that name, or the second column
 * of a file without header.
 */
function optionalColumn(header: RowForm["header"], count: number, standard: string, time: number): number | undefined {
  if (header === undefined) return count > 1 ? (time === 1 ? 0 : 1) : undefined;
  const index = header.findIndex((name) => name.toLowerCase() === standard);
  return index < 0 ? undefined : index;
}

/**
 * The index of a column: by the given name or number, else by its usual name, else its usual place.
 */
function findColumn(
  file: string,
  header: RowForm["header"],
  count: number,
  asked: string | undefined,
  standard: string,
  otherwise: number,
): number {
  if (asked === undefined) {
    const usual = header?.findIndex((name) => name.toLowerCase() === standard) ?? -1;
    return usual < 0 ? otherwise : usual;
  }
  const byName = header?.indexOf(asked) ?? -1;
  if (byName >= 0) return byName;
  const byNumber = /^[1-9]\d{0,3}$/.test(asked) ? Number(asked) - 1 : -1;
  if (byNumber >= 0 && byNumber < count) return byNumber;
  const there = header === undefined ? `${count}, without a header` : header.join(", ");
  throw new CliError(`${file}:1: there is no column ${JSON.stringify(asked)}; there are ${there}`);
}

/** The cells of a line. A cell in quotes may have commas. */
function cellsOf(line: string): readonly string[] {
  if (!line.includes('"')) return line.split(",").map((cell) => cell.trim());
  return [...line.matchAll(/(?:^|,)\s*(?:"((?:[^"]|"")*)"\s*(?=,|$)|([^,]*))/g)].map(([, quoted, bare]) =>
    quoted === undefined ? (bare ?? "").trim() : quoted.replaceAll('""', '"').trim(),
  );
}

function numberOf(text: string): number | undefined {
  const value = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$/.test(text) ? Number(text) : Number.NaN;
  return Number.isFinite(value) ? value : undefined;
}

const iso = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?)?\s?(Z|[+-]\d\d:?\d\d)?$/i;

const formOf = (text: string): RowForm["form"] => (iso.test(text) ? "ISO 8601" : "seconds");

/**
 * Milliseconds since 1970 of seconds or ISO 8601, which is UTC where it names no zone; undefined:
 * neither.
 */
function timeOf(text: string): number | undefined {
  const seconds = numberOf(text);
  const ms = seconds === undefined ? isoMs(text) : Math.round(seconds * 1_000);
  return ms !== undefined && ms >= timeMinMs && ms <= timeMaxMs ? ms : undefined;
}

function isoMs(text: string): number | undefined {
  const [matched, year, month, day, hour = "0", minute = "0", second = "0", fraction = "0", zone = "Z"] = iso.exec(text) ?? [];
  if (matched === undefined) return undefined;
  const date = Date.UTC(Number(year), Number(month) - 1, Number(day));
  // The 30th of February would be a day in March.
  if (new Date(date).getUTCDate() !== Number(day) || Number(month) > 12 || Number(month) < 1) return undefined;
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60) return undefined;
  const [, sign, zoneHours, zoneMinutes] = /^([+-])(\d\d):?(\d\d)$/.exec(zone) ?? [];
  const zoneMs = (Number(zoneHours ?? 0) * 60 + Number(zoneMinutes ?? 0)) * 60_000 * (sign === "-" ? -1 : 1);
  const ms = ((Number(hour) * 60 + Number(minute)) * 60 + Number(second)) * 1_000 + Math.floor(Number(`0.${fraction}`) * 1_000);
  return date + ms - zoneMs;
}

const shortened = (text: string): string => (text.length > 40 ? `${text.slice(0, 40)}…` : text);
