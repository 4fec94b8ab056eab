import type { Clock } from "../clock/clock.ts";
import type { Log } from "../log/log.ts";
import { Troubles } from "../log/troubles.ts";
import { openCron } from "./cron.ts";

const secondMs = 1_000;
/** A timer may end this much too early. */
const earlyMs = 20;
/**
 * An expression of stars alone matches every second, whatever the wall clock says. Asking the
 * library would take 20 µs each time.
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
 * blocked, are skipped. A step of the wall clock stops no run: each sleep is at most one second, and
 * the expression is compared with the second that the wall clock shows then.
 */
export async function runByCron({ cron, act, clock, log }: CadenceOptions, signal: AbortSignal): Promise<void> {
  const expression = everySecond.test(cron) ? undefined : openCron(cron);
  const nowMs = () => (expression === undefined ? clock.nowMs() : clock.wallMs());
  const troubles = new Troubles(log);
  let last: number | undefined;
  try {
    for (;;) {
      await clock.sleep(secondMs - (nowMs() % secondMs), signal);
      if (signal.aborted) return;
      const second = Math.floor((nowMs() + earlyMs) / secondMs);
      if (second === last) continue;
      last = second;
      if (expression?.matches(second * secondMs) === false) continue;
      await act().then(
        () => troubles.over("run", {}, "a scheduled run works again"),
        (cause: unknown) => troubles.failed("run", cause, {}, "a scheduled run failed; retrying at each match"),
      );
    }
  } finally {
    expression?.close();
  }
}
