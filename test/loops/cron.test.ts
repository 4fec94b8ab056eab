import { expect, test } from "vitest";
import { openCron } from "../../src/loops/cron.ts";
import { openSchedules } from "../../src/loops/schedules.ts";

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

test("a name matches as the expression that it stands for, and begins schedules", () => {
  const midnight = Date.parse("2026-11-20T00:00:00Z");
  const daily = openCron("@daily", "UTC");
  expect([0, 1_000, 60_000, 3_600_000, dayMs].map((ms) => daily.matches(midnight + ms))).toEqual([true, false, false, false, true]);
  daily.close();
  const schedule = { cron: "@hourly", timeZone: "", minReplicas: 3, durationMs: 600_000 };
  const read = openSchedules();
  expect([0, 599_000, 600_000, 3_600_000].map((ms) => read([schedule], midnight + ms))).toEqual([3, 3, 0, 3]);
});

test("a time of day follows the zone's clock, also by half hours", () => {
  const hits = (expression: string, timeZone: string, from: string) => {
    const cron = openCron(expression, timeZone);
    const fromMs = Date.parse(from);
    const minutes = Array.from({ length: 1_440 }, (_, minute) => fromMs + minute * 60_000).filter((ms) => cron.matches(ms));
    cron.close();
    return minutes.map((ms) => new Date(ms).toISOString().slice(5, 16));
  };
  expect(hits("0 12 13 * 5", "Asia/Kolkata", "2026-11-13T00:00Z")).toEqual(["11-13T06:30"]);
  // Lord Howe Island moves its clock by half an hour: back at 02:00 in April, forward in October.
  expect(hits("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T12:00Z")).toEqual(["04-04T14:45", "04-04T15:15"]);
  expect(hits("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00Z")).toEqual([]);
});
