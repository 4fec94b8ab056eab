import type { AutoscalingConfig } from "../autoscaling-config.ts";
import { decide, firstAutoscaleState } from "./autoscale.ts";

/** The load from this time until the next sample. */
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
  /** Why the desired number changed. Empty: it did not. */
  readonly why: string;
}

export interface Simulation {
  /** One at each sample, and at each change of the desired or the running replicas. */
  readonly points: readonly SimulatedPoint[];
  /** Running and starting replicas, summed over time. */
  readonly replicaMs: number;
  /** Time with more load than the running replicas should have. */
  readonly shortMs: number;
  /** How often the desired number changed, and how often the change reversed direction. */
  readonly changes: number;
  readonly turns: number;
}

/** Decides the target. Called once per tick. */
export type Scaler = (seen: { readonly load: number; readonly running: number; readonly target: number; readonly nowMs: number }) => {
  readonly target: number;
  readonly why: string;
};

export const tickMs = 1_000;

/**
 * The autoscaler's rule as a {@link Scaler}. `scheduledMin` returns the highest minimum of the
 * schedules at a time.
 */
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
  /** Replicas that serve at the start. */
  readonly initial: number;
  /**
   * Requests that one replica should have. More load than this for all running replicas is
   * `shortMs`.
   */
  readonly targetOngoingRequests: number;
  /** When the simulation ends. Undefined: at the last sample. */
  readonly endMs?: number;
}

/**
 * Runs a scaler over a trace, tick by tick. Replicas cost from the moment they are wanted. A step
 * down removes starting replicas first, at once.
 */
export function simulate(scaler: Scaler, samples: readonly LoadSample[], options: SimulateOptions): Simulation {
  const ticks = simulating(scaler, samples, options);
  for (;;) {
    const tick = ticks.next();
    if (tick.done) return tick.value;
  }
}

/** {@link simulate}, one tick per step, so that a long trace does not block the event loop. */
export function* simulating(
  scaler: Scaler,
  samples: readonly LoadSample[],
  options: SimulateOptions,
): Generator<undefined, Simulation, undefined> {
  const points: SimulatedPoint[] = [];
  const startMs = samples[0]?.timeMs ?? 0;
  const endMs = options.endMs ?? samples.at(-1)?.timeMs ?? startMs;
  /** When each replica serves, in ascending order. */
  let ready: readonly number[] = Array.from({ length: options.initial }, () => startMs);
  let [next, load, replicaMs, shortMs, changes, turns, direction, noted] = [0, 0, 0, 0, 0, 0, 0, options.initial];
  // The last tick is at the end, even if that falls between two ticks.
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
    if (sampled || wanted !== target || running !== noted) points.push({ timeMs: nowMs, desired: wanted, running, load, why });
    noted = running;
    if (nowMs >= endMs) return { points, replicaMs, shortMs, changes, turns };
    yield;
  }
}

/** How many of the ascending times are at or before `nowMs`. */
function countUntil(times: readonly number[], nowMs: number): number {
  let [low, high] = [0, times.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((times[middle] ?? 0) <= nowMs) low = middle + 1;
    else high = middle;
  }
  return low;
}
