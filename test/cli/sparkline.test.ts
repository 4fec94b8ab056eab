import { expect, test } from "vitest";
import { sparkline } from "../../src/cli/sparkline.ts";
import { StatusHistory } from "../../src/cli/status-history.ts";
import { deploymentOf } from "./harness.ts";

test("the lowest block is nothing, the full one the highest, and little is seen", () => {
  expect(sparkline([0, 1, 2, 3, 4, 5, 6, 7])).toBe("▁▂▃▄▅▆▇█");
  expect(sparkline([0, 1, 1_000])).toBe("▁▂█");
  expect(sparkline([0, 0])).toBe("▁▁");
  expect(sparkline([])).toBe("");
  expect(sparkline([1, 2], 4)).toBe("▃▅");
});

test("of a deployment the last updates are remembered, as many as the terminal has room for", () => {
  const status = (queuedRequests: bigint) => deploymentOf("a", { ongoingRequests: 1n, queuedRequests }).status as never;
  const [wide, narrow] = [new StatusHistory(200), new StatusHistory()];
  for (let update = 0; update < 50; update++) for (const history of [wide, narrow]) history.note("a", status(BigInt(update % 2)));
  expect(wide.drawn("a")).toEqual(["▅█".repeat(15), "█".repeat(30)]);
  expect(narrow.drawn("a")).toEqual(["▅█".repeat(4), "█".repeat(8)]);
  wide.note("a", undefined);
  expect(wide.drawn("a")).toEqual(["", ""]);
});
