import { type HistoryOptions, runHistory } from "./history.ts";
import type { Alarm } from "./witness.ts";

/**
 * I13. Runs a history twice, with and without steps of the wall clock, and without schedules, which
 * follow it. Both must be the same, decision by decision, each at the same moment of true time.
 */
export async function runTwins(seed: number, options: HistoryOptions = {}): Promise<{ readonly alarm: Alarm | undefined }> {
  const stepped = await runHistory(seed, { ...options, schedules: false });
  const steady = await runHistory(seed, { ...options, schedules: false, steps: false });
  if (stepped.alarm !== undefined) return { alarm: stepped.alarm };
  const length = Math.max(stepped.decided.length, steady.decided.length);
  for (let index = 0; index < length; index++) {
    const [one, other] = [stepped.decided[index], steady.decided[index]];
    if (one === other) continue;
    return { alarm: { invariant: "I13", atMs: 0, text: `with steps: ${one ?? "nothing more"}; without: ${other ?? "nothing more"}` } };
  }
  return { alarm: undefined };
}
