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
