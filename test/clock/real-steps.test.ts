import { afterEach, expect, test, vi } from "vitest";
import { realClock } from "../../src/clock/real.ts";

const hourMs = 3_600_000;

afterEach(() => {
  vi.restoreAllMocks();
});

test.each([
  ["forward", hourMs],
  ["back", -hourMs],
])("a step of the machine's clock %s moves the wall clock, and no duration", (_, byMs) => {
  const [nowMs, wallMs] = [realClock.nowMs(), realClock.wallMs()];
  vi.spyOn(Date, "now").mockReturnValue(wallMs + byMs);
  expect(realClock.wallMs()).toBe(wallMs + byMs);
  expect(realClock.nowMs() - nowMs).toBeGreaterThanOrEqual(0);
  expect(realClock.nowMs() - nowMs).toBeLessThan(hourMs);
});

test("a time is a whole number of milliseconds since 1970", () => {
  expect(Number.isInteger(realClock.nowMs())).toBe(true);
  expect(Math.abs(realClock.nowMs() - realClock.wallMs())).toBeLessThan(hourMs);
});
