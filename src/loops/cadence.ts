import { createTask } from "node-cron";
import type { Clock } from "../clock/clock.ts";
import type { Log } from "../log/log.ts";

const secondMs = 1_000;
/** A timer may end this much too early. */
const earlyMs = 20;
/**
 * An expression of stars alone matches every second. Asking the library would take 20 µs each time.
 */
const everySecond = /^\s*\*(?:\s+\*){5}\s*$/;

export interface CadenceOptions {
  /**
   * A cron expression in the time zone of the process. With five fields it matches at full minutes.
   */
  readonly cron: string;
  readonly act: () => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Runs `act` at each second that the expression matches, one run at a time, until the signal aborts
 * and the present run has ended. Seconds that pass during a run, or while the event loop is
 * blocked, are skipped. It keeps working if the wall clock is set: each sleep is at most one
 * second, and the present second is compared.
 */
export async function runByCron({ cron, act, clock, log }: CadenceOptions, signal: AbortSignal): Promise<void> {
  const task = everySecond.test(cron) ? undefined : createTask(withSeconds(cron), () => {});
  let last: number | undefined;
  try {
    for (;;) {
      await clock.sleep(secondMs - (clock.nowMs() % secondMs), signal);
      if (signal.aborted) return;
      const second = Math.floor((clock.nowMs() + earlyMs) / secondMs);
      if (second === last) continue;
      last = second;
      if (task !== undefined && !task.match(new Date(second * secondMs))) continue;
      await act().catch((cause: unknown) => log.warn({ cause: String(cause) }, "a scheduled run failed; retrying at the next match"));
    }
  } finally {
    await task?.destroy();
  }
}

const withSeconds = (cron: string): string => (cron.trim().split(/\s+/).length > 5 ? cron : `0 ${cron.trim()}`);
