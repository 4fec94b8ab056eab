import { expect, test } from "vitest";
import type { Clock } from "../../src/clock/clock.ts";
import { silentLog } from "../../src/log/log.ts";
import { runByCron } from "../../src/loops/cadence.ts";

/** A clock of which each sleep is one step; its wall time may jump before a sleep ends. */
class SteppedClock implements Clock {
  #nowMs: number;
  readonly #jumpsMs: Map<number, number>;
  readonly sleptMs: number[] = [];

  /** `jumpsMs`: how far the wall clock is set, by the number of the sleep, from 1. */
  constructor(nowMs: number, jumpsMs: ReadonlyMap<number, number> = new Map()) {
    this.#nowMs = nowMs;
    this.#jumpsMs = new Map(jumpsMs);
  }

  nowMs(): number {
    return this.#nowMs;
  }

  async sleep(ms: number): Promise<void> {
    this.sleptMs.push(ms);
    this.#nowMs += ms + (this.#jumpsMs.get(this.sleptMs.length) ?? 0);
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

test("a wall clock set back or forward by an hour stops no run: no sleep is longer than a second", async () => {
  const hourMs = 3_600_000;
  const clock = new SteppedClock(
    startMs,
    new Map([
      [3, -hourMs],
      [6, 2 * hourMs],
    ]),
  );
  expect(await runsOf("* * * * * *", clock, 9)).toHaveLength(9);
  expect(clock.sleptMs.length).toBeLessThanOrEqual(10);
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
