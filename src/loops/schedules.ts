import { createTask } from "node-cron";
import type { ScheduledMinimum } from "../core/autoscale.ts";

const minuteMs = 60_000;
const secondMs = 1_000;

/** The highest minimum of the schedules that hold now: of those that began within their duration. 0: none does. */
export function scheduledMinimum(schedules: readonly ScheduledMinimum[], nowMs: number): number {
  return Math.max(0, ...schedules.filter((schedule) => holds(schedule, nowMs)).map(({ minReplicas }) => minReplicas));
}

function holds({ cron, timeZone, durationMs }: ScheduledMinimum, nowMs: number): boolean {
  const task = createTask(cron, () => {}, { timezone: timeZone === "" ? "UTC" : timeZone });
  try {
    // Five fields begin at full minutes.
    const stepMs = cron.trim().split(/\s+/).length > 5 ? secondMs : minuteMs;
    for (let atMs = Math.floor(nowMs / stepMs) * stepMs; atMs > nowMs - durationMs; atMs -= stepMs)
      if (task.match(new Date(atMs))) return true;
    return false;
  } finally {
    void task.destroy();
  }
}
