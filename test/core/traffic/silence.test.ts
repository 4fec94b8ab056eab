import { expect, test } from "vitest";
import { isSilent, listenMs, silentAfterMs, silentFor } from "../../../src/core/traffic/silence.ts";

/** How long a replica seems silent after looks with these intervals. */
const after = (...passedMs: readonly number[]) => passedMs.reduce(silentFor, 0);

test("a replica is silent once it has said nothing for three reports", () => {
  const looks = silentAfterMs / listenMs;
  expect(isSilent(after(...Array.from({ length: looks - 1 }, () => listenMs)))).toBe(false);
  expect(isSilent(after(...Array.from({ length: looks }, () => listenMs)))).toBe(true);
});

test("while this process stands still, no replica becomes silent, however long that is", () => {
  expect(after(3_600_000)).toBe(listenMs);
  expect(isSilent(after(60_000, listenMs, 60_000, listenMs))).toBe(false);
});
