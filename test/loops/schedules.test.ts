import { expect, test } from "vitest";
import { scheduledMinimum } from "../../src/loops/schedules.ts";

const hourMs = 3_600_000;
const at = (iso: string) => Date.parse(iso);
const mornings = { cron: "0 8 * * 1-5", timeZone: "Europe/Berlin", minReplicas: 5, durationMs: 2 * hourMs };

test("a schedule holds from its time in its zone, for its duration", () => {
  // Berlin is two hours ahead of UTC in summer, one in winter; 1 July 2026 is a Wednesday.
  expect(scheduledMinimum([mornings], at("2026-07-01T05:59:59Z"))).toBe(0);
  expect(scheduledMinimum([mornings], at("2026-07-01T06:00:00Z"))).toBe(5);
  expect(scheduledMinimum([mornings], at("2026-07-01T07:59:59Z"))).toBe(5);
  expect(scheduledMinimum([mornings], at("2026-07-01T08:00:00Z"))).toBe(0);
  expect(scheduledMinimum([mornings], at("2026-01-07T06:30:00Z"))).toBe(0);
  expect(scheduledMinimum([mornings], at("2026-01-07T07:30:00Z"))).toBe(5);
  expect(scheduledMinimum([mornings], at("2026-07-04T06:30:00Z"))).toBe(0);
});

test("of several that hold the highest counts, and an empty zone is UTC", () => {
  const always = { cron: "*/10 * * * * *", timeZone: "", minReplicas: 2, durationMs: 10_000 };
  const nights = { cron: "0 0 * * *", timeZone: "", minReplicas: 3, durationMs: hourMs };
  expect(scheduledMinimum([always, nights], at("2026-07-01T00:30:05Z"))).toBe(3);
  expect(scheduledMinimum([nights, always], at("2026-07-01T12:30:05Z"))).toBe(2);
  expect(scheduledMinimum([], 0)).toBe(0);
});
