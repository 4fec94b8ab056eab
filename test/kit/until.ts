import { realClock } from "../../src/clock/real.ts";

const askMs = 5;

/** Resolves when `holds` answers true. The test's own time limit is its bound. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await realClock.sleep(askMs);
}
