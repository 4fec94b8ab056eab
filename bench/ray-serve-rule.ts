import type { Scaler } from "../src/core/autoscaling/simulate-autoscaling.ts";

/**
 * Ray Serve's `AutoscalingConfig`, with the defaults of its documentation. Times in milliseconds.
 */
export interface RayServeConfig {
  readonly minReplicas: number;
  readonly maxReplicas: number;
  readonly targetOngoingRequests: number;
  readonly upscaleDelayMs: number;
  readonly downscaleDelayMs: number;
  readonly upscalingFactor: number;
  readonly downscalingFactor: number;
  readonly lookBackPeriodMs: number;
  readonly metricsIntervalMs: number;
}

export const rayServeDefaults = {
  upscaleDelayMs: 30_000,
  downscaleDelayMs: 600_000,
  upscalingFactor: 1,
  downscalingFactor: 1,
  lookBackPeriodMs: 30_000,
  metricsIntervalMs: 10_000,
} as const;

/**
 * Ray Serve's rule, implemented from its documentation ("Ray Serve Autoscaling" and "Advanced Ray
 * Serve Autoscaling"). In each `metrics_interval` the mean of the ongoing requests over
 * `look_back_period` is sent to the controller. Each tick computes `⌈cur + factor · (mean / target
 * − cur)⌉` from the last mean and the running replicas. When that was above (below) the number
 * wanted in every tick of the upscale (downscale) delay, the last result becomes the number wanted.
 * The tick is the simulation's, 1 s instead of 0.1 s.
 */
export function rayServe(config: RayServeConfig, tickMs: number): Scaler {
  const seen: { readonly atMs: number; readonly load: number }[] = [];
  let sent: { readonly atMs: number; readonly mean: number } | undefined;
  /** Ticks in a row that wanted more (above 0) or fewer (below 0). */
  let ticks = 0;
  return ({ load, running, target, nowMs }) => {
    seen.push({ atMs: nowMs, load });
    while (seen[0] !== undefined && seen[0].atMs <= nowMs - config.lookBackPeriodMs) seen.shift();
    if (sent === undefined || nowMs - sent.atMs >= config.metricsIntervalMs)
      sent = { atMs: nowMs, mean: seen.reduce((sum, { load }) => sum + load, 0) / seen.length };
    if (running === 0) return { target: Math.max(target, sent.mean > 0 ? 1 : 0), why: "" };
    const desired = desiredOf(config, sent.mean, running);
    const direction = Math.sign(desired - target);
    ticks = direction === 0 ? 0 : direction * ticks > 0 ? ticks + direction : direction;
    const needed = Math.floor((direction > 0 ? config.upscaleDelayMs : config.downscaleDelayMs) / tickMs);
    if (direction === 0 || Math.abs(ticks) <= needed) return { target, why: "" };
    ticks = 0;
    return { target: desired, why: "" };
  };
}

function desiredOf(config: RayServeConfig, mean: number, running: number): number {
  const raw = mean / config.targetOngoingRequests;
  const factor = raw >= running ? config.upscalingFactor : config.downscalingFactor;
  const desired = Math.ceil(running + factor * (raw - running));
  // If the factor rounds a step down to nothing, remove one replica.
  const stuck = raw < running && desired === running && Math.ceil(raw) < desired;
  return Math.max(config.minReplicas, Math.min(config.maxReplicas, stuck ? desired - 1 : desired));
}
