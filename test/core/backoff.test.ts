import { expect, test } from "vitest";
import { backoffMs } from "../../src/core/backoff.ts";

test("waits double from one second to one minute, give or take a fifth", () => {
  expect([1, 2, 3, 6, 7, 60].map((failures) => backoffMs(failures, 0.5))).toEqual([1_000, 2_000, 4_000, 32_000, 60_000, 60_000]);
  expect([backoffMs(1, 0), backoffMs(1, 1)]).toEqual([800, 1_200]);
});
