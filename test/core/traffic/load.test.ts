import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { elsewhereOf, loadOfDeployment, loadOfReplica, type ReplicaSight } from "../../../src/core/traffic/load.ts";

const nowMs = 10_000;
const report = (ongoing: number, givenThen: number, atMs = nowMs) => ({ ongoing, elsewhere: elsewhereOf(ongoing, givenThen), atMs });
const sight = (more: Partial<ReplicaSight>): ReplicaSight => ({ reports: true, report: undefined, given: 0, routable: true, ...more });

describe("the load of a replica", () => {
  test("is what gateways gave it, and what it reported beyond that when it reported", () => {
    expect(loadOfReplica(sight({ report: report(5, 3), given: 3 }))).toBe(5);
    expect(loadOfReplica(sight({ report: report(5, 3), given: 1 }))).toBe(3);
    expect(loadOfReplica(sight({ report: report(2, 3), given: 4 }))).toBe(4);
  });

  test("is the gateways' count where its program does not report, and not known where a report is missing", () => {
    expect(loadOfReplica(sight({ reports: false, given: 2 }))).toBe(2);
    expect(loadOfReplica(sight({ given: 2 }))).toBeUndefined();
  });

  test("of gateways' requests alone is exact, however old the report is", () => {
    fc.assert(
      fc.property(fc.nat(50), fc.nat(50), (then, now) => {
        expect(loadOfReplica(sight({ report: report(then, then), given: now }))).toBe(now);
      }),
    );
  });
});

describe("the load of a deployment", () => {
  test("counts a request once that went from one replica to another since the report", () => {
    const [moved, stayed] = [sight({ report: report(5, 5), given: 0 }), sight({ report: report(0, 0), given: 5 })];
    expect(loadOfDeployment([moved, stayed], 0, { nowMs })).toMatchObject({ ongoing: 5, known: true });
  });

  test("counts what direct callers gave to one replica and gateways to another", () => {
    const [direct, given] = [sight({ report: report(5, 0), given: 0 }), sight({ report: report(5, 5), given: 5 })];
    expect(loadOfDeployment([direct, given], 3, { nowMs })).toEqual({ ongoing: 10, queued: 3, known: true, routable: 2 });
  });

  test("is known only while every replica that reports has reported, and not too long ago", () => {
    const [fresh, old] = [sight({ report: report(1, 0) }), sight({ report: report(1, 0, nowMs - 3_001) })];
    expect(loadOfDeployment([fresh], 0, { nowMs, staleAfterMs: 3_000 }).known).toBe(true);
    expect(loadOfDeployment([fresh, old], 0, { nowMs, staleAfterMs: 3_000 }).known).toBe(false);
    expect(loadOfDeployment([fresh, old], 0, { nowMs }).known).toBe(true);
    expect(loadOfDeployment([fresh, sight({})], 0, { nowMs }).known).toBe(false);
    expect(loadOfDeployment([fresh, sight({ reports: false })], 0, { nowMs }).known).toBe(true);
  });
});
