import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { realClock } from "../../src/clock/real.ts";

const dayMs = 86_400_000;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test.each([1, 24 * dayMs, 25 * dayMs, 30 * dayMs, 400 * dayMs])("a timer of %i ms strikes then, and not before", async (ms) => {
  const struck: string[] = [];
  realClock.after(ms, () => struck.push("after"));
  void realClock.sleep(ms).then(() => struck.push("sleep"));
  const stop = realClock.after(ms, () => struck.push("stopped"));
  await vi.advanceTimersByTimeAsync(ms - 1);
  expect(struck).toEqual([]);
  stop();
  await vi.advanceTimersByTimeAsync(1);
  expect(struck.toSorted()).toEqual(["after", "sleep"]);
});

test("a timer that never strikes can be stopped, and leaves none behind", async () => {
  const stop = realClock.after(Number.POSITIVE_INFINITY, () => {
    throw new Error("it struck");
  });
  const leave = new AbortController();
  const asleep = realClock.sleep(Number.POSITIVE_INFINITY, leave.signal);
  await vi.advanceTimersByTimeAsync(100 * dayMs);
  stop();
  leave.abort();
  await asleep;
  expect(vi.getTimerCount()).toBe(0);
});
