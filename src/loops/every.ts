import { schedule } from "node-cron";
import type { Log } from "../log/log.ts";

/** Runs `look` by a cron expression, one at a time, until the signal aborts and the run in work has ended. */
export async function every(cron: string, look: () => Promise<void>, log: Log, signal: AbortSignal): Promise<void> {
  let running = Promise.resolve();
  const quiet = {
    info: () => {},
    debug: () => {},
    warn: (text: string) => log.debug(text),
    error: (text: string | Error) => log.warn(String(text)),
  };
  const task = schedule(
    cron,
    () => {
      running = look().catch((cause: unknown) => log.warn({ cause: String(cause) }, "a scheduled look failed"));
      return running;
    },
    { noOverlap: true, logger: quiet },
  );
  if (!signal.aborted) await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
  await task.destroy();
  await running;
}
