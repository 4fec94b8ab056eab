import { env } from "node:process";
import { describe, expect, test } from "vitest";
import { type FaultKind, faultKinds, noFaults } from "./faults.ts";
import { runHistory } from "./history.ts";

const blocks = 20;
const seedsPerBlock = 250;

// With SEED= only that one history is run, and told.
if (env.SEED === undefined) {
  describe("no history breaks a rule", () => {
    const counts = noFaults();

    test.each(Array.from({ length: blocks }, (_, block) => 1 + block * seedsPerBlock))("seeds from %d", async (first) => {
      for (let seed = first; seed < first + seedsPerBlock; seed++) {
        const { alarm, faults } = await runHistory(seed);
        expect(
          alarm,
          `a rule is broken; to see how: SEED=${seed} npx vitest run --config test/vitest.config.ts test/sim/simulation.test.ts`,
        ).toBe(undefined);
        for (const kind of faultKinds) counts[kind] += faults[kind];
      }
    });

    test("every kind of fault occurred in them", () => {
      const missing = faultKinds.filter((kind: FaultKind) => counts[kind] === 0);
      expect(missing).toEqual([]);
    });
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
