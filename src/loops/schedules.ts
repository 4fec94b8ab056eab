import type { ScheduledMinimum } from "../core/autoscaling-config.ts";
import { hasSeconds, minutesOf, openCron } from "./cron.ts";

const minuteMs = 60_000;
const secondMs = 1_000;

/** When a schedule last began, within the time that was searched. */
interface LastBegin {
  /** Minus infinity: not within its duration. */
  readonly beganMs: number;
  readonly untilMs: number;
}

const beginsMax = 10_000;

/** Returns the highest minimum of the schedules that hold at a time. 0: none holds. */
export type ReadSchedules = (schedules: readonly ScheduledMinimum[], nowMs: number) => number;

/**
 * Reads schedules by the wall clock. While its times go forward, only the time since the last call
 * is searched; after a step back, everything is.
 */
export function openSchedules(): ReadSchedules {
  /** By cron expression, time zone and duration. */
  const begins = new Map<string, LastBegin>();
  const holds = ({ cron, timeZone, durationMs }: ScheduledMinimum, nowMs: number): boolean => {
    const key = `${durationMs} ${timeZone} ${cron}`;
    const known = begins.get(key);
    const before = known !== undefined && known.untilMs <= nowMs ? known : undefined;
    // No expression matches twice within a second, and with five fields not twice within a minute.
    const stepMs = hasSeconds(cron) ? secondMs : minuteMs;
    if (before !== undefined && Math.floor(before.untilMs / stepMs) === Math.floor(nowMs / stepMs))
      return before.beganMs > nowMs - durationMs;
    const fromMs = Math.max(nowMs - durationMs, before?.untilMs ?? Number.NEGATIVE_INFINITY);
    const beganMs = beganAfter(cron, timeZone, fromMs, nowMs) ?? before?.beganMs ?? Number.NEGATIVE_INFINITY;
    if (begins.size >= beginsMax) begins.clear();
    begins.set(key, { beganMs, untilMs: nowMs });
    return beganMs > nowMs - durationMs;
  };
  // The highest minimum of those that began within their duration.
  return (schedules, nowMs) => Math.max(0, ...schedules.filter((schedule) => holds(schedule, nowMs)).map(({ minReplicas }) => minReplicas));
}

/** The last time after `fromMs`, and up to `nowMs`, at which the expression matches. */
function beganAfter(cron: string, timeZone: string, fromMs: number, nowMs: number): number | undefined {
  const zone = timeZone === "" ? "UTC" : timeZone;
  const minutes = openCron(minutesOf(cron), zone);
  const seconds = openCron(cron, zone);
  try {
    for (let atMs = Math.floor(nowMs / minuteMs) * minuteMs; atMs > fromMs - minuteMs; atMs -= minuteMs) {
      if (!minutes.matches(atMs)) continue;
      // Five fields match at full minutes only.
      const lastMs = hasSeconds(cron) ? Math.min(nowMs, atMs + minuteMs - secondMs) : atMs;
      for (let secMs = Math.floor(lastMs / secondMs) * secondMs; secMs >= atMs && secMs > fromMs; secMs -= secondMs)
        if (seconds.matches(secMs)) return secMs;
    }
    return undefined;
  } finally {
    minutes.close();
    seconds.close();
  }
}
