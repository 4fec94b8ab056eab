import { expect, test } from "vitest";
import type { Clock } from "../../src/clock/clock.ts";
import { silentLog } from "../../src/log/log.ts";
import { runByCron } from "../../src/loops/cadence.ts";

type ByTurn = ReadonlyMap<number, number>;

/** A clock of which each sleep is one step. */
class SteppedClock implements Clock {
  #nowMs: number;
  #steppedMs = 0;
  readonly #lateMs: ByTurn;
  readonly #stepsMs: ByTurn;
  readonly sleptMs: number[] = [];

  /**
   * By the number of the sleep, from 1: how late its timer ends, and how far somebody sets the wall
   * clock meanwhile.
   */
  constructor(nowMs: number, lateMs: ByTurn = new Map(), stepsMs: ByTurn = new Map()) {
    this.#nowMs = nowMs;
    this.#lateMs = lateMs;
    this.#stepsMs = stepsMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#nowMs + this.#steppedMs;
  }

  async sleep(ms: number): Promise<void> {
    this.sleptMs.push(ms);
    const turn = this.sleptMs.length;
    this.#nowMs += ms + (this.#lateMs.get(turn) ?? 0);
    this.#steppedMs += this.#stepsMs.get(turn) ?? 0;
  }

  after(): () => void {
    throw new Error("no timer is needed");
  }
}

/** The times of the first `count` runs, in milliseconds since the clock's start. */
async function runsOf(cron: string, clock: SteppedClock, count: number, act: () => Promise<void> = async () => {}): Promise<number[]> {
  const startMs = clock.nowMs();
  const atMs: number[] = [];
  const end = new AbortController();
  const noted = async () => {
    atMs.push(clock.nowMs() - startMs);
    if (atMs.length === count) end.abort();
    await act();
  };
  await runByCron({ cron, act: noted, clock, log: silentLog }, end.signal);
  return atMs;
}

/** A full minute. */
const startMs = 1_700_000_040_000;

test("runs at each second that the expression matches", async () => {
  expect(await runsOf("* * * * * *", new SteppedClock(startMs + 300), 3)).toEqual([700, 1_700, 2_700]);
  expect(await runsOf("*/2 * * * * *", new SteppedClock(startMs), 3)).toEqual([2_000, 4_000, 6_000]);
});

test("an expression of five fields matches at full minutes", async () => {
  expect(await runsOf("* * * * *", new SteppedClock(startMs + 59_000), 2)).toEqual([1_000, 61_000]);
});

test("a run that fails is followed by the next", async () => {
  const runs = await runsOf("* * * * * *", new SteppedClock(startMs), 3, () => Promise.reject(new Error("the store is away")));
  expect(runs).toHaveLength(3);
});

const hourMs = 3_600_000;
const steps: ByTurn = new Map([
  [3, -hourMs - 300],
  [6, 2 * hourMs],
]);

test("a run each second goes on each second, whatever the wall clock says", async () => {
  const clock = new SteppedClock(startMs, new Map(), steps);
  expect(await runsOf("* * * * * *", clock, 9)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9].map((second) => second * 1_000));
});

test("any other cadence follows the wall clock, and a step of it stops no run", async () => {
  const clock = new SteppedClock(startMs, new Map(), steps);
  const runs = await runsOf("*/2 * * * * *", clock, 9);
  expect(Math.max(...runs.map((ms, index) => ms - (runs[index - 1] ?? 0)))).toBeLessThanOrEqual(3_000);
  expect(Math.max(...clock.sleptMs)).toBeLessThanOrEqual(1_000);
});

test("a timer that ends late counts for the second it was set for, and that second is not lost", async () => {
  const clock = new SteppedClock(startMs, new Map([[2, 620]]));
  const seconds = (await runsOf("* * * * * *", clock, 4)).map((ms) => Math.floor(ms / 1_000));
  expect(seconds).toEqual([1, 2, 3, 4]);
});

test("a timer that ends a moment early makes no second run in the same second", async () => {
  const clock = new SteppedClock(startMs, new Map([[2, -1]]));
  const runs = await runsOf("* * * * * *", clock, 4);
  expect(runs.map((ms) => Math.round(ms / 1_000))).toEqual([1, 2, 3, 4]);
});
