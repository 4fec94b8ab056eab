import { expect, test } from "vitest";
import { openCron } from "../../src/loops/cron.ts";

const dayMs = 86_400_000;
const startMs = Date.parse("2026-11-01T12:00:00Z"); // a Sunday

/** The days of November 2026 at whose noon the expression matches. */
function daysOf(expression: string): readonly number[] {
  const cron = openCron(expression, "UTC");
  const days = Array.from({ length: 30 }, (_, day) => day + 1).filter((day) => cron.matches(startMs + (day - 1) * dayMs));
  cron.close();
  return days;
}

test("where both day fields are set, either is enough", () => {
  expect(daysOf("0 12 13 * 5")).toEqual([6, 13, 20, 27]);
  expect(daysOf("0 12 15,16 * 5")).toEqual([6, 13, 15, 16, 20, 27]);
  expect(daysOf("0 0 12 1-2 * 1")).toEqual([1, 2, 9, 16, 23, 30]);
  expect(daysOf("0 12 */10 * mon")).toEqual([1, 2, 9, 11, 16, 21, 23, 30]);
});

test("where one of them is a star, the other decides", () => {
  expect(daysOf("0 12 13 * *")).toEqual([13]);
  expect(daysOf("0 12 * * 5")).toEqual([6, 13, 20, 27]);
  expect(daysOf("0 12 * * *")).toHaveLength(30);
  expect(daysOf("0 12 13 10 5")).toEqual([]);
});

test("the time must match on such a day, too", () => {
  const cron = openCron("0 12 13 * 5", "UTC");
  const friday = Date.parse("2026-11-20T12:00:00Z");
  expect([0, 1_000, 60_000, 3_600_000].map((ms) => cron.matches(friday + ms))).toEqual([true, false, false, false]);
  cron.close();
});
