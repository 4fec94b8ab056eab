import { type History, type HistoryOptions, runHistory } from "./history.ts";

/**
 * I13. Runs a history twice, with and without steps of the wall clock. Both must be the same,
 * decision by decision, each at the same moment of true time. There are no schedules, because these
 * follow the wall clock. Returns the history with steps.
 */
export async function runTwins(seed: number, options: HistoryOptions = {}): Promise<History> {
  const stepped = await runHistory(seed, { ...options, schedules: false });
  const steady = await runHistory(seed, { ...options, schedules: false, steps: false });
  if (stepped.alarm !== undefined) return stepped;
  const length = Math.max(stepped.decided.length, steady.decided.length);
  for (let index = 0; index < length; index++) {
    const [one, other] = [stepped.decided[index], steady.decided[index]];
    if (one === other) continue;
    const text = `with steps: ${one ?? "nothing more"}; without: ${other ?? "nothing more"}`;
    return { ...stepped, alarm: { invariant: "I13", text, atMs: Number.parseInt(one ?? other ?? "", 10) } };
  }
  return stepped;
}
