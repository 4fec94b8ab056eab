import { expect, test } from "vitest";
import { openSchedules, type ReadSchedules } from "../../src/loops/schedules.ts";

const minimumAt: ReadSchedules = (schedules, nowMs) => openSchedules()(schedules, nowMs);
const hourMs = 3_600_000;
const at = (iso: string) => Date.parse(iso);
const mornings = { cron: "0 8 * * 1-5", timeZone: "Europe/Berlin", minReplicas: 5, durationMs: 2 * hourMs };

test("a schedule holds from its time in its zone, for its duration", () => {
  // Berlin is two hours ahead of UTC in summer, one in winter; 1 July 2026 is a Wednesday.
  expect(minimumAt([mornings], at("2026-07-01T05:59:59Z"))).toBe(0);
  expect(minimumAt([mornings], at("2026-07-01T06:00:00Z"))).toBe(5);
  expect(minimumAt([mornings], at("2026-07-01T07:59:59Z"))).toBe(5);
  expect(minimumAt([mornings], at("2026-07-01T08:00:00Z"))).toBe(0);
  expect(minimumAt([mornings], at("2026-01-07T06:30:00Z"))).toBe(0);
  expect(minimumAt([mornings], at("2026-01-07T07:30:00Z"))).toBe(5);
  expect(minimumAt([mornings], at("2026-07-04T06:30:00Z"))).toBe(0);
});

test("of several that hold the highest counts, and an empty zone is UTC", () => {
  const always = { cron: "*/10 * * * * *", timeZone: "", minReplicas: 2, durationMs: 10_000 };
  const nights = { cron: "0 0 * * *", timeZone: "", minReplicas: 3, durationMs: hourMs };
  expect(minimumAt([always, nights], at("2026-07-01T00:30:05Z"))).toBe(3);
  expect(minimumAt([nights, always], at("2026-07-01T12:30:05Z"))).toBe(2);
  expect(minimumAt([], 0)).toBe(0);
});

test("a check each second sees the same as a single check", () => {
  const odd = { cron: "*/25 * * * * *", timeZone: "", minReplicas: 4, durationMs: 7_000 };
  const halfPast = { cron: "30 * * * *", timeZone: "", minReplicas: 9, durationMs: 90_500 };
  const read = openSchedules();
  const startMs = at("2026-07-01T00:29:30.250Z");
  const seen = Array.from({ length: 200 }, (_, second) => read([odd, halfPast], startMs + second * 1_000));
  expect(seen).toEqual(seen.map((_, second) => minimumAt([odd, halfPast], startMs + second * 1_000)));
  expect(new Set(seen)).toEqual(new Set([0, 4, 9]));
});

test("where both day fields are set, either is enough", () => {
  const either = { cron: "0 12 13 * 5", timeZone: "", minReplicas: 4, durationMs: hourMs };
  // 20 November 2026 is a Friday, 13 October a Tuesday, 19 November neither.
  for (const day of ["2026-11-20", "2026-10-13"]) {
    const times = ["11:59:59", "12:00:00", "12:59:59", "13:00:00"];
    expect(times.map((time) => minimumAt([either], at(`${day}T${time}Z`)))).toEqual([0, 4, 4, 0]);
  }
  expect(minimumAt([either], at("2026-11-19T12:30:00Z"))).toBe(0);
});

/** How many minutes of these hours a schedule holds, by a look every ten minutes. */
function minutesOf(schedule: Parameters<ReadSchedules>[0][number], fromIso: string, hours: number): number {
  const read = openSchedules();
  const seen = Array.from({ length: hours * 6 }, (_, step) => read([schedule], at(fromIso) + step * 600_000));
  return 10 * seen.filter((minimum) => minimum > 0).length;
}

test("a time that the zone skips begins nothing on that day, and one that comes twice begins twice", () => {
  const nights = { cron: "30 2 * * *", timeZone: "Europe/Berlin", minReplicas: 2, durationMs: hourMs };
  const short = { ...nights, durationMs: hourMs / 2 };
  // Berlin goes from 2:00 to 3:00 on 29 March 2026, and from 3:00 to 2:00 on 25 October.
  expect(minutesOf(nights, "2026-03-28T00:00:00Z", 24)).toBe(60);
  expect(minutesOf(nights, "2026-03-29T00:00:00Z", 12)).toBe(0);
  expect(minutesOf(nights, "2026-10-25T00:00:00Z", 12)).toBe(120);
  expect(minutesOf(short, "2026-10-25T00:00:00Z", 12)).toBe(60);
  expect(minutesOf({ ...nights, timeZone: "" }, "2026-03-29T00:00:00Z", 12)).toBe(60);
});

test("a schedule that holds while the clocks change holds for its duration, in real time", () => {
  const long = { cron: "0 1 * * *", timeZone: "Europe/Berlin", minReplicas: 2, durationMs: 4 * hourMs };
  expect(minutesOf(long, "2026-03-28T22:00:00Z", 12)).toBe(240);
  expect(minutesOf(long, "2026-10-24T22:00:00Z", 12)).toBe(240);
});

test("schedules follow a step of the wall clock, forward and back", () => {
  const read = openSchedules();
  const seen = ["05:00", "06:30", "05:00", "07:59", "09:00", "07:00"].map((time) => read([mornings], at(`2026-07-01T${time}:00Z`)));
  expect(seen).toEqual([0, 5, 0, 5, 0, 5]);
});
