import { CliError } from "./cli-error.ts";
import type { TraceRow } from "./trace-file.ts";

/** The load from one time until that of the next sample. */
export interface TraceSample {
  readonly timeMs: number;
  readonly load: number;
}

/** The most samples of one request to the controller. */
export const samplesMax = 100_000;

/**
 * The load in rows of `time,requests`; of several rows at one time the last counts. Throws where
 * time goes back.
 */
export function loadOfSamples(file: string, rows: readonly TraceRow[]): readonly TraceSample[] {
  const samples: TraceSample[] = [];
  for (const { timeMs, value = 0, line } of rows) {
    const last = samples.at(-1);
    if (last !== undefined && timeMs < last.timeMs)
      throw new CliError([
        `${file}:${line}: time: must not be before that of the row above`,
        "rows of requests that arrive may come in any order: give --service-time or --duration-column for those",
      ]);
    if (last?.timeMs === timeMs) samples.pop();
    samples.push({ timeMs, load: value });
  }
  return samples;
}

/**
 * The number of requests in work, for rows that are arrivals: each adds one, and takes it away as
 * the request ends.
 */
export function loadOfArrivals(rows: readonly TraceRow[], durationMsOf: (row: TraceRow) => number): readonly TraceSample[] {
  const steps = rows.flatMap((row) => [
    { timeMs: row.timeMs, step: 1 },
    { timeMs: Math.round(row.timeMs + durationMsOf(row)), step: -1 },
  ]);
  steps.sort((one, other) => one.timeMs - other.timeMs);
  const samples: TraceSample[] = [];
  let load = 0;
  for (const { timeMs, step } of steps) {
    load += step;
    if (samples.at(-1)?.timeMs === timeMs) samples.pop();
    samples.push({ timeMs, load });
  }
  return samples;
}

/**
 * The load at each whole second from the begin on, and at the end: the autoscaler reads it no more
 * often, so nothing changes. Where that is still too much, the load every `everySeconds` seconds. A
 * trace that is short enough stays as it is.
 */
export function thinned(samples: readonly TraceSample[]): { readonly samples: readonly TraceSample[]; readonly everySeconds?: number } {
  const [first, last] = [samples[0], samples.at(-1)];
  if (samples.length <= samplesMax || first === undefined || last === undefined) return { samples };
  const everySeconds = Math.max(1, Math.ceil((last.timeMs - first.timeMs) / 1_000 / (samplesMax - 2)));
  const kept: TraceSample[] = [];
  let next = 0;
  let load = 0;
  for (let timeMs = first.timeMs; timeMs < last.timeMs; timeMs += everySeconds * 1_000) {
    for (let sample = samples[next]; sample !== undefined && sample.timeMs <= timeMs; sample = samples[++next]) load = sample.load;
    kept.push({ timeMs, load });
  }
  return { samples: [...kept, last], everySeconds };
}
