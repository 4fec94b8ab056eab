import { expect, test } from "vitest";
import { leastBytes, quietMs, whileHeard, whileTaken } from "../../src/api/patience.ts";
import { HandClock } from "../kit/hand-clock.ts";

/** Goes through sizes, each of which comes `everyMs` after the one before; returns when it was quiet. */
async function quietAfter(sizes: readonly number[], everyMs: number): Promise<number | undefined> {
  const clock = new HandClock(0);
  let quietAtMs: number | undefined;
  const note = () => {
    quietAtMs ??= clock.nowMs();
  };
  async function* coming(): AsyncGenerator<number> {
    for (const size of sizes) {
      clock.pass(everyMs);
      yield size;
    }
  }
  for await (const _ of whileHeard(coming(), (size) => size, clock, note)) clock.pass(10 * quietMs); // our own work
  expect(clock.pending).toBe(0);
  return quietAtMs;
}

test("a caller is heard while it sends enough in each minute, however long we work on it", async () => {
  expect(await quietAfter([leastBytes, leastBytes, leastBytes], quietMs - 1)).toBeUndefined();
  expect(await quietAfter([leastBytes / 2, leastBytes / 2, 1], quietMs / 2 - 1)).toBeUndefined();
});

test("a caller that sends too little is quiet, however often it does", async () => {
  expect(await quietAfter([leastBytes], quietMs)).toBe(quietMs);
  expect(await quietAfter(Array(1_000).fill(leastBytes / 1_000 - 1), quietMs / 600)).toBeDefined();
});

test("a reader is waited for only while it has something to take", async () => {
  const clock = new HandClock(0);
  const quiet: number[] = [];
  async function* slowly(): AsyncGenerator<number> {
    for (let count = 0; count < 3; count++) {
      clock.pass(10 * quietMs);
      yield leastBytes;
    }
  }
  for await (const _ of whileTaken(
    slowly(),
    (size) => size,
    clock,
    () => quiet.push(clock.nowMs()),
  ))
    clock.pass(quietMs - 1);
  expect(quiet).toEqual([]);
  for await (const _ of whileTaken(
    slowly(),
    (size) => size,
    clock,
    () => quiet.push(clock.nowMs()),
  ))
    clock.pass(quietMs);
  expect(quiet).toHaveLength(3);
  expect(clock.pending).toBe(0);
});
