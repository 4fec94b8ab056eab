import fc from "fast-check";
import { expect, test } from "vitest";
import { loadOfArrivals, loadOfSamples, samplesMax, type TraceSample, thinned } from "../../src/cli/load-trace.ts";
import { parseTrace, type TraceColumns } from "../../src/cli/trace-file.ts";

const load: TraceColumns = { standard: "requests", required: true };
const arrivals: TraceColumns = { standard: "duration", required: false };

const read = (text: string, columns: TraceColumns = load) =>
  parseTrace("t.csv", text, columns).map(({ timeMs, value }) => (value === undefined ? [timeMs] : [timeMs, value]));

test.each([
  ["without a header", "0,1\n1.5,2\n"],
  ["with a header", "time,requests\n0,1\n1.5,2"],
  ["with columns in another order, and others", 'note,Requests,Time\nx,1,0\n"a, ""b""",2,1.5\n'],
  ["with the row numbers of a program", ",time,requests\n0,0,1\n1,1.5,2\n"],
  ["with the lines, spaces and byte order mark of a spreadsheet", "\uFEFFtime, requests\r\n0 , 1\r\n1.5e0, +2\r\n\r\n"],
])("a trace is read %s", (_, text) => {
  expect(read(text)).toEqual([
    [0, 1],
    [1_500, 2],
  ]);
});

test.each([
  ["2026-01-01T00:00:00Z", 1_767_225_600_000],
  ["2026-01-01", 1_767_225_600_000],
  ["2026-01-01 00:00:00.1239999", 1_767_225_600_123],
  ["2026-01-01T01:30+01:30", 1_767_225_600_000],
  ["2025-12-31T22:00:00-0200", 1_767_225_600_000],
  ["1767225600.25", 1_767_225_600_250],
])("%s is a time", (text, ms) => {
  expect(read(`${text},1`)).toEqual([[ms, 1]]);
});

test.each([
  ["text for a number", "time,requests\n0,1\n1,many\n", 't.csv:3: requests: must be a number, not "many"'],
  ["text for a number, without a header", "0,many\n", 't.csv:1: requests: must be a number, not "many"'],
  ["hexadecimal", "0,0x10", 't.csv:1: requests: must be a number, not "0x10"'],
  ["less than nothing", "0,-1", "t.csv:1: requests: must be 0 or more, not -1"],
  ["a gap", "time,requests\n0,1\n1,\n2,3\n", "t.csv:3: requests: is empty"],
  ["a row that ends early", "0,1\n1\n", "t.csv:2: requests: is empty"],
  ["a time that is missing", "time,requests\n,1\n", "t.csv:2: time: is empty"],
  ["an empty line", "0,1\n\n1,2\n", "t.csv:2: the line is empty"],
  ["no time", "0,1\nsoon,2\n", 't.csv:2: time: must be seconds, or ISO 8601 as in 2026-01-31T09:30:00Z, not "soon"'],
  ["a day that is not", "0,1\n2026-02-30,2\n", 't.csv:2: time: must be seconds, or ISO 8601 as in 2026-01-31T09:30:00Z, not "2026-02-30"'],
  ["a time that no calendar has", "1e300,1\n", 't.csv:1: time: must be seconds, or ISO 8601 as in 2026-01-31T09:30:00Z, not "1e300"'],
  ["two kinds of time", "2026-01-01,1\n7,2\n", 't.csv:2: time: must be ISO 8601 as in the first row, not "7"'],
  ["nothing", "", "t.csv: holds no rows"],
  ["a header alone", "time,requests\n", "t.csv: holds no rows"],
])("a trace with %s is refused by its place", (_, text, problem) => {
  expect(() => read(text)).toThrow(expect.objectContaining({ lines: [problem] }));
});

test("the first ten problems are listed, and the rest is counted", () => {
  const text = Array.from({ length: 25 }, (_, line) => `${line},x`).join("\n");
  expect(() => read(text)).toThrow(expect.objectContaining({ lines: expect.objectContaining({ length: 11, 10: "and 15 more" }) }));
});

test("columns are chosen by name or number; a missing column is refused", () => {
  const text = "TIMESTAMP,ContextTokens,GeneratedTokens\n2026-01-01 00:00:01,374,44\n";
  const row = [[1_767_225_601_000, 44]];
  expect(read(text, { ...arrivals, time: "TIMESTAMP", value: "GeneratedTokens" })).toEqual(row);
  expect(read(text, { ...arrivals, time: "1", value: "3" })).toEqual(row);
  const missing = 't.csv:1: there is no column "Tokens"; there are TIMESTAMP, ContextTokens, GeneratedTokens';
  expect(() => read(text, { ...arrivals, value: "Tokens" })).toThrow(missing);
  expect(() => read("0,1\n", { ...load, value: "3" })).toThrow('t.csv:1: there is no column "3"; there are 2, without a header');
  expect(() => read("0\n1\n")).toThrow("t.csv:1: requests: there is no such column");
  expect(() => read(text)).toThrow("t.csv:1: requests: there is no such column; there are TIMESTAMP, ContextTokens, GeneratedTokens");
  expect(() => read("0,1,2\n")).toThrow("t.csv:1: requests: there is no such column; there are 3, without a header");
});

test("arrivals may have durations of their own: by that name, or in the second column where there is no header", () => {
  expect(read("0\n1\n", arrivals)).toEqual([[0], [1_000]]);
  expect(read("0,0.5\n", arrivals)).toEqual([[0, 0.5]]);
  expect(read("time,tokens,duration\n0,7,0.5\n", arrivals)).toEqual([[0, 0.5]]);
  expect(read("time,tokens\n0,7\n", arrivals)).toEqual([[0]]);
  expect(() => read("0,0.5\n1,\n", arrivals)).toThrow("t.csv:2: duration: is empty");
});

test("a load may not go back in time, and of two at one time the later row counts", () => {
  const samples = (text: string) => loadOfSamples("t.csv", parseTrace("t.csv", text, load));
  expect(samples("1,5\n1,6\n2,7\n")).toEqual([
    { timeMs: 1_000, load: 6 },
    { timeMs: 2_000, load: 7 },
  ]);
  expect(() => samples("time,requests\n1,5\n3,6\n2,7\n")).toThrow("t.csv:4: time: must not be before that of the row above");
});

test("arrivals, in any order, are in work from when they come until they end", () => {
  const rows = parseTrace("t.csv", "1,2\n0,1.5\n3,0\n", arrivals);
  expect(loadOfArrivals(rows, ({ value = 0 }) => value * 1_000)).toEqual([
    { timeMs: 0, load: 1 },
    { timeMs: 1_000, load: 2 },
    { timeMs: 1_500, load: 1 },
    { timeMs: 3_000, load: 0 },
  ]);
});

test("the load of arrivals sums to the time they take, is never below nothing, and ends at nothing", () => {
  const arrival = fc.record({ timeMs: fc.nat(10_000), value: fc.nat(5_000), line: fc.constant(1) });
  fc.assert(
    fc.property(fc.array(arrival, { minLength: 1 }), (rows) => {
      const samples = loadOfArrivals(rows, ({ value = 0 }) => value);
      const area = samples.reduce((sum, { timeMs, load }, index) => sum + load * ((samples[index + 1]?.timeMs ?? timeMs) - timeMs), 0);
      expect(area).toBe(rows.reduce((sum, { value }) => sum + value, 0));
      expect(samples.every(({ load }) => load >= 0)).toBe(true);
      expect(samples.at(-1)?.load).toBe(0);
    }),
  );
});

test("a trace with too many samples is thinned to the load at each second, or fewer, with its begin and end", () => {
  const many = (count: number, everyMs: number): readonly TraceSample[] =>
    Array.from({ length: count }, (_, index) => ({ timeMs: 500 + index * everyMs, load: index }));
  const short = many(samplesMax, 10);
  expect(thinned(short)).toEqual({ samples: short });
  const second = thinned(many(samplesMax + 1, 10));
  expect(second).toMatchObject({ everySeconds: 1, samples: { length: 1_001 } });
  expect(second.samples.slice(0, 2)).toEqual([
    { timeMs: 500, load: 0 },
    { timeMs: 1_500, load: 100 },
  ]);
  expect(second.samples.at(-1)).toEqual({ timeMs: 1_000_500, load: 100_000 });
  const week = thinned(many(7 * 86_400, 1_000));
  expect(week.everySeconds).toBe(7);
  expect(week.samples.length).toBeLessThanOrEqual(samplesMax);
});
