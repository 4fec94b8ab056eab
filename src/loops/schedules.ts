import { createTask } from "node-cron";
import type { ScheduledMinimum } from "../core/autoscale.ts";

const minuteMs = 60_000;
const secondMs = 1_000;

/** The highest minimum of the schedules that hold now: of those that began within their duration. 0: none does. */
export function scheduledMinimum(schedules: readonly ScheduledMinimum[], nowMs: number): number {
  return Math.max(0, ...schedules.filter((schedule) => holds(schedule, nowMs)).map(({ minReplicas }) => minReplicas));
}

/** When a schedule last began, as far as it was looked for. */
interface Looked {
  /** Minus infinity: not within its duration. */
  readonly beganMs: number;
  readonly untilMs: number;
}

const lookedMax = 10_000;
/** By cron, time zone and duration, so that only the time since the last look is looked through. */
const looked = new Map<string, Looked>();

function holds({ cron, timeZone, durationMs }: ScheduledMinimum, nowMs: number): boolean {
  const key = JSON.stringify([cron, timeZone, durationMs]);
  const known = looked.get(key);
  const before = known !== undefined && known.untilMs <= nowMs ? known : undefined;
  const fromMs = Math.max(nowMs - durationMs, before?.untilMs ?? Number.NEGATIVE_INFINITY);
  const beganMs = beganAfter(cron, timeZone, fromMs, nowMs) ?? before?.beganMs ?? Number.NEGATIVE_INFINITY;
  if (looked.size >= lookedMax) looked.clear();
  looked.set(key, { beganMs, untilMs: nowMs });
  return beganMs > nowMs - durationMs;
}

/** The last time after `fromMs`, and up to `nowMs`, at which the expression matches. */
function beganAfter(cron: string, timeZone: string, fromMs: number, nowMs: number): number | undefined {
  const fields = cron.trim().split(/\s+/);
  const options = { timezone: timeZone === "" ? "UTC" : timeZone };
  const minutes = createTask(fields.slice(-5).join(" "), () => {}, options);
  const task = createTask(cron, () => {}, options);
  try {
    for (let atMs = Math.floor(nowMs / minuteMs) * minuteMs; atMs > fromMs - minuteMs; atMs -= minuteMs) {
      if (!minutes.match(new Date(atMs))) continue;
      // Five fields begin at full minutes.
      const lastMs = fields.length > 5 ? Math.min(nowMs, atMs + minuteMs - secondMs) : atMs;
      for (let secMs = Math.floor(lastMs / secondMs) * secondMs; secMs >= atMs && secMs > fromMs; secMs -= secondMs)
        if (task.match(new Date(secMs))) return secMs;
    }
    return undefined;
  } finally {
    void minutes.destroy();
    void task.destroy();
  }
}
