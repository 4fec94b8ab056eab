import fc from "fast-check";
import { expect, test } from "vitest";
import { printDuration } from "../../src/cli/duration.ts";
import { parseDurationMs, protoDuration } from "../../src/program/parse-duration.ts";

test.each([
  ["20s", 20_000],
  ["500ms", 500],
  ["2m", 120_000],
  ["1.5h", 5_400_000],
  ["1h30m", 5_400_000],
  ["0s", 0],
])("%s is %d ms", (text, ms) => {
  expect(parseDurationMs(text)).toBe(ms);
});

test.each(["", "20", "s", "-1s", "1 s", "1d", "1e3s", "ms5"])("%j is no duration", (text) => {
  expect(parseDurationMs(text)).toBeUndefined();
});

test("proto JSON gives back the same time", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 40 }), (ms) => {
      expect(parseDurationMs(protoDuration(ms))).toBeCloseTo(ms, 3);
    }),
  );
  expect(protoDuration(20_000)).toBe("20s");
  expect(protoDuration(250)).toBe("0.25s");
  expect(protoDuration(0)).toBe("0s");
});

test("a person reads the two largest units", () => {
  expect([0, 45_000, 60_000, 200_000, 86_400_000 + 3_600_000].map(printDuration)).toEqual(["0s", "45s", "1m", "3m20s", "1d1h"]);
});
