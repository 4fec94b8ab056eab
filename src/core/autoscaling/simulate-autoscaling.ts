import type { AutoscalingConfig } from "../autoscaling-config.ts";
import { decide, firstAutoscaleState } from "./autoscale.ts";

/** The load from one time until the next sample's. */
export interface LoadSample {
  readonly timeMs: number;
  readonly load: number;
}

/** One moment of a simulation. */
export interface SimulatedPoint {
  readonly timeMs: number;
  readonly desired: number;
  readonly running: number;
  readonly load: number;
  /** Why so many are wanted, where that has changed. */
  readonly why: string;
}

export interface Simulation {
  /** At each sample, and at each change of the replicas wanted or running. */
  readonly points: readonly SimulatedPoint[];
  /** Replicas running, summed over time. */
  readonly replicaMs: number;
  /** Time in which the load was more than the running replicas are to have. */
  readonly shortMs: number;
  /** How often the number wanted changed, and how often it changed its direction. */
  readonly changes: number;
  readonly turns: number;
}

/** Decides how many replicas there are to be at a moment; called once a tick. */
export type Scaler = (seen: { readonly load: number; readonly running: number; readonly target: number; readonly nowMs: number }) => {
  readonly target: number;
  readonly why: string;
};

export const tickMs = 1_000;

/** The autoscaler's rule, as `simulate` asks for it; `scheduledMin` gives the highest minimum of its schedules at a time. */
export function autoscaler(
  config: AutoscalingConfig,
  startupMs: number,
  startMs: number,
  scheduledMin: (nowMs: number) => number = () => 0,
): Scaler {
  let state = firstAutoscaleState(config, startMs);
  return ({ load, running, target, nowMs }) => {
    const seen = { ongoing: load, queued: 0, running, target, scheduledMin: scheduledMin(nowMs), startupMs };
    const next = decide(config, seen, state, nowMs);
    state = next.state;
    const { target: wanted, verdict } = next.decision;
    return { target: wanted, why: wanted === target ? "" : verdict.summary };
  };
}

export interface SimulateOptions {
  /** From the moment a replica is wanted until it serves. */
  readonly startupMs: number;
  /** Replicas that serve at the begin. */
  readonly initial: number;
  /** Requests that one replica is to have: more than that for all that run is short. */
  readonly targetOngoingRequests: number;
  /** When it ends; undefined: at the last sample. */
  readonly endMs?: number;
}

/** Runs a scaler over a trace, tick by tick. Replicas cost from the moment they are wanted; of those to stop, the ones that still start go first, and at once. */
export function simulate(scaler: Scaler, samples: readonly LoadSample[], options: SimulateOptions): Simulation {
  const ticks = simulating(scaler, samples, options);
  for (;;) {
    const tick = ticks.next();
    if (tick.done) return tick.value;
  }
}

/** `simulate`, a tick at a time, so that a long trace need not be run in one go. */
export function* simulating(
  scaler: Scaler,
  samples: readonly LoadSample[],
  options: SimulateOptions,
): Generator<undefined, Simulation, undefined> {
  const points: SimulatedPoint[] = [];
  const startMs = samples[0]?.timeMs ?? 0;
  const endMs = options.endMs ?? samples.at(-1)?.timeMs ?? startMs;
  /** When each replica serves, the earliest first. */
  let ready: readonly number[] = Array.from({ length: options.initial }, () => startMs);
  let [next, load, replicaMs, shortMs, changes, turns, direction, told] = [0, 0, 0, 0, 0, 0, 0, options.initial];
  // The last look is at the end, wherever that falls between ticks.
  for (let nowMs = startMs; ; nowMs = Math.min(nowMs + tickMs, endMs)) {
    let sampled = false;
    for (let sample = samples[next]; sample !== undefined && sample.timeMs <= nowMs; sample = samples[++next]) {
      load = sample.load;
      sampled = true;
    }
    const target = ready.length;
    const serving = () => countUntil(ready, nowMs);
    const { target: wanted, why } = scaler({ load, running: serving(), target, nowMs });
    if (wanted !== target) {
      const sign = Math.sign(wanted - target);
      changes += 1;
      if (direction !== 0 && sign !== direction) turns += 1;
      direction = sign;
      const more = Array.from({ length: Math.max(0, wanted - target) }, () => nowMs + options.startupMs);
      ready = [...ready.slice(0, wanted), ...more];
    }
    const running = serving();
    const heldMs = Math.max(0, Math.min(tickMs, endMs - nowMs));
    replicaMs += ready.length * heldMs;
    if (load > running * options.targetOngoingRequests) shortMs += heldMs;
    if (sampled || wanted !== target || running !== told) points.push({ timeMs: nowMs, desired: wanted, running, load, why });
    told = running;
    if (nowMs >= endMs) return { points, replicaMs, shortMs, changes, turns };
    yield;
  }
}

/** How many of ascending times have come. */
function countUntil(times: readonly number[], nowMs: number): number {
  let [low, high] = [0, times.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((times[middle] ?? 0) <= nowMs) low = middle + 1;
    else high = middle;
  }
  return low;
}
