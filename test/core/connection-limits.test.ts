import { expect, test } from "vitest";
import { connectionShares, connectionsMax } from "../../src/core/connection-limits.ts";

test.each([64, 256, 1_024, 4_096, 65_536, 1_048_576, Number.MAX_SAFE_INTEGER])(
  "of %i files, the ports together get at most half, and each gets some",
  (files) => {
    const shares = connectionShares(files);
    expect(shares.gateway + shares.api + shares.http).toBeLessThanOrEqual(files / 2);
    expect(Math.min(shares.gateway, shares.api, shares.http)).toBeGreaterThan(0);
    expect(shares.gateway).toBeGreaterThanOrEqual(shares.api);
  },
);

test("with many files, each port has its largest share", () => {
  expect(connectionShares(1_048_576)).toEqual(connectionsMax);
});
