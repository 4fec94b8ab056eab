import { env } from "node:process";
import { expect, test } from "vitest";
import { faultKinds, noFaults } from "./faults.ts";
import { runHistory } from "./history.ts";

/** Histories are run for this long, seconds: a slow machine runs fewer of them. `npm run sim -- --seeds N` runs as many as are asked for. */
const budgetMs = Number(env.DROVER_SIM_SECONDS ?? 60) * 1_000;
/** As many at least, however long they take: by then every kind of fault has occurred. */
const historiesMin = 500;
const historiesMax = 5_000;

// With SEED= only that one history is run, and told.
if (env.SEED === undefined) {
  test("no history breaks a rule, and every kind of fault occurs in them", { timeout: 10 * 60_000 }, async () => {
    const counts = noFaults();
    const beganMs = performance.now();
    let seed = 0;
    while (seed < historiesMin || (seed < historiesMax && performance.now() - beganMs < budgetMs)) {
      const { alarm, faults } = await runHistory(++seed);
      expect(
        alarm,
        `a rule is broken; to see how: SEED=${seed} npx vitest run --config test/vitest.config.ts test/sim/simulation.test.ts`,
      ).toBe(undefined);
      for (const kind of faultKinds) counts[kind] += faults[kind];
    }
    console.log(`${seed} histories in ${((performance.now() - beganMs) / 1_000).toFixed(0)} s`);
    expect(faultKinds.filter((kind) => counts[kind] === 0)).toEqual([]);
  });
} else {
  test("the history of the given seed breaks no rule", async () => {
    const lines: string[] = [];
    const { alarm } = await runHistory(Number(env.SEED), { trace: (line) => lines.push(line) });
    console.log(lines.join("\n"));
    expect(alarm).toBeUndefined();
  });
}

test("a history is the same each time", async () => {
  const tell = async () => {
    const lines: string[] = [];
    await runHistory(7, { trace: (line) => lines.push(line) });
    return lines;
  };
  const first = await tell();
  expect(first.length).toBeGreaterThan(50);
  expect(await tell()).toEqual(first);
});
