import { CliError } from "./cli-error.ts";
import type { TraceRow } from "./trace-file.ts";

/** The load from one time until the next sample's. */
export interface LoadSample {
  readonly timeMs: number;
  readonly load: number;
}

/** Samples a controller takes at once. */
export const samplesMax = 100_000;

/** The load that rows of `time,requests` say; of several at one time the last counts. Throws where time runs backwards. */
export function loadOfSamples(file: string, rows: readonly TraceRow[]): readonly LoadSample[] {
  const samples: LoadSample[] = [];
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

/** The number of requests in work, for rows that each are the arrival of one: up by one as it comes, down as it ends. */
export function loadOfArrivals(rows: readonly TraceRow[], durationMsOf: (row: TraceRow) => number): readonly LoadSample[] {
  const steps = rows.flatMap((row) => [
    { timeMs: row.timeMs, step: 1 },
    { timeMs: Math.round(row.timeMs + durationMsOf(row)), step: -1 },
  ]);
  steps.sort((one, other) => one.timeMs - other.timeMs);
  const samples: LoadSample[] = [];
  let load = 0;
  for (const { timeMs, step } of steps) {
    load += step;
    if (samples.at(-1)?.timeMs === timeMs) samples.pop();
    samples.push({ timeMs, load });
  }
  return samples;
}

/**
 * The load at each whole second from the begin on, and at the end: the autoscaler looks no more often, so that nothing changes for it.
 * Where even that is too much, at as many seconds as needed: `everySeconds`. A trace that is short enough stays as it is.
 */
export function thinned(samples: readonly LoadSample[]): { readonly samples: readonly LoadSample[]; readonly everySeconds: number } {
  const [first, last] = [samples[0], samples.at(-1)];
  if (samples.length <= samplesMax || first === undefined || last === undefined) return { samples, everySeconds: 0 };
  const everySeconds = Math.max(1, Math.ceil((last.timeMs - first.timeMs) / 1_000 / (samplesMax - 2)));
  const kept: LoadSample[] = [];
  let next = 0;
  let load = 0;
  for (let timeMs = first.timeMs; timeMs < last.timeMs; timeMs += everySeconds * 1_000) {
    for (let sample = samples[next]; sample !== undefined && sample.timeMs <= timeMs; sample = samples[++next]) load = sample.load;
    kept.push({ timeMs, load });
  }
  return { samples: [...kept, last], everySeconds };
}
