import { env } from "node:process";
import { expect, test } from "vitest";
import { faultKinds, noFaults } from "./faults.ts";
import { runHistory } from "./history.ts";
import { runTwins } from "./twins.ts";

/** Histories are run for this long, seconds: a slow machine runs fewer of them. `npm run sim -- --seeds N` runs as many as are asked for. */
const budgetMs = Number(env.DROVER_SIM_SECONDS ?? 60) * 1_000;
/** As many at least, however long they take: by then every kind of fault has occurred. */
const historiesMin = 500;
const historiesMax = 5_000;
/** Of histories with and without steps of the wall clock. */
const [twinsMin, twinsMax] = [50, 2_000];

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

test("no step of the wall clock changes what is decided, schedules aside", { timeout: 10 * 60_000 }, async () => {
  const beganMs = performance.now();
  let seed = 0;
  while (seed < twinsMin || (seed < twinsMax && performance.now() - beganMs < budgetMs / 2)) {
    const { alarm } = await runTwins(++seed);
    expect(alarm, `to see both: node test/sim/run.ts --twins --from ${seed} --seeds 1 --trace`).toBe(undefined);
  }
  console.log(`${seed} twins in ${((performance.now() - beganMs) / 1_000).toFixed(0)} s`);
});

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
