import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { byCreation, type PendingReplica, patienceMs, place, turnMaxMs } from "../../../src/core/placement/placement.ts";
import { allocated, free, gpusWanted, type Holding, milliOfEachGpu, type Resources } from "../../../src/core/resources.ts";
import type { Shortage, Wait } from "../../../src/core/wait.ts";

const capacity = { cpuMilli: 4000, gpuCount: 2, memoryBytes: 4 * 2 ** 30 };
const wants = (amounts: Partial<Resources>): Resources => ({ cpuMilli: 0, gpuMilli: 0, memoryBytes: 0, ...amounts });
const cpus = (count: number) => wants({ cpuMilli: count * 1000 });
const asks = (id: string, resources: Resources, createdAtMs = 0): PendingReplica => ({ id, resources, createdAtMs });
const holds = (resources: Resources, ...gpuIndexes: number[]): Holding => ({ resources, gpuIndexes });
/** A controller that has acted for ever. */
const since0 = (nowMs: number) => ({ nowMs, actingSinceMs: Number.NEGATIVE_INFINITY });
const placeNow = (pending: PendingReplica[], held: Holding[] = [], nowMs = 0) => place({ pending, held, capacity, time: since0(nowMs) });
const shortOf = (...short: readonly Shortage[]): Wait => ({ kind: "resources", short });
const idsOf = (placed: readonly { id: string }[]) => placed.map(({ id }) => id);

test("the order of replicas is that of their creation, and of their ids where they were created together", () => {
  const asked = [asks("b", cpus(1), 2), asks("a", cpus(1), 2), asks("c", cpus(1), 1)];
  for (const pending of [asked, asked.toReversed()]) expect(idsOf(pending.toSorted(byCreation))).toEqual(["c", "a", "b"]);
});

describe("what fits", () => {
  test("replicas are placed in the order they asked until the machine is full", () => {
    const { placed, waiting } = placeNow([asks("a", cpus(2)), asks("b", cpus(1.5)), asks("c", cpus(1)), asks("d", cpus(0.5))]);
    expect(idsOf(placed)).toEqual(["a", "b", "d"]);
    expect(waiting).toEqual([{ id: "c", wait: shortOf({ resource: "cpu", wanted: 1_000, free: 0, total: 4_000 }) }]);
  });

  test("a replica that wants nothing fits a full machine", () => {
    expect(idsOf(placeNow([asks("a", wants({}))], [holds(cpus(4))]).placed)).toEqual(["a"]);
  });

  test("ten replicas of a tenth of a CPU fill one CPU exactly", () => {
    const pending = Array.from({ length: 11 }, (_, i) => asks(`r${i}`, cpus(0.1)));
    expect(placeNow(pending, [holds(cpus(3))]).placed).toHaveLength(10);
  });

  test("shares of a GPU go to the fullest that has room, so that whole ones stay free", () => {
    const held = [holds(wants({ gpuMilli: 500 }), 1)];
    const { placed } = placeNow([asks("half", wants({ gpuMilli: 500 })), asks("whole", wants({ gpuMilli: 1000 }))], held);
    expect(placed).toEqual([
      { id: "half", gpuIndexes: [1] },
      { id: "whole", gpuIndexes: [0] },
    ]);
  });

  test("a resource that the operator named is given out like any other, and does not exist if it was not named", () => {
    const named = { ...capacity, custom: { tpu: 2_000 } };
    const tpus = (milli: number) => wants({ custom: { tpu: milli } });
    const pending = [asks("a", tpus(1_500)), asks("b", tpus(1_000)), asks("c", tpus(500)), asks("d", wants({ custom: { toString: 1 } }))];
    const { placed, waiting } = place({ pending, held: [], capacity: named, time: since0(0) });
    expect(idsOf(placed)).toEqual(["a", "c"]);
    expect(waiting).toEqual([
      { id: "b", wait: shortOf({ resource: "custom", name: "tpu", wanted: 1_000, free: 0, total: 2_000 }) },
      { id: "d", wait: { kind: "neverFits", short: [{ resource: "custom", name: "toString", wanted: 1, free: 0, total: 0 }] } },
    ]);
  });

  test("a whole GPU is never given where a share is held", () => {
    const { waiting } = placeNow([asks("two", wants({ gpuMilli: 2000 }))], [holds(wants({ gpuMilli: 1 }), 0)]);
    expect(waiting).toEqual([{ id: "two", wait: shortOf({ resource: "gpu", wanted: 2_000, free: 1_000, total: 2_000 }) }]);
  });
});

describe("what it says to those that wait", () => {
  test("every resource that is short is named with its numbers", () => {
    const held = [holds(wants({ cpuMilli: 3500, gpuMilli: 700, memoryBytes: 3 * 2 ** 30 }), 0), holds(wants({ gpuMilli: 800 }), 1)];
    const wanted = wants({ cpuMilli: 2000, gpuMilli: 500, memoryBytes: 1.5 * 2 ** 30 });
    expect(placeNow([asks("a", wanted)], held).waiting[0]?.wait).toEqual(
      shortOf(
        { resource: "cpu", wanted: 2_000, free: 500, total: 4_000 },
        { resource: "gpu", wanted: 500, free: 300, total: 2_000 },
        { resource: "memory", wanted: 1.5 * 2 ** 30, free: 2 ** 30, total: 4 * 2 ** 30 },
      ),
    );
  });

  test("a replica that this machine can never hold has that reason, with all that it lacks", () => {
    expect(placeNow([asks("a", wants({ gpuMilli: 3000 }))]).waiting[0]?.wait).toEqual({
      kind: "neverFits",
      short: [{ resource: "gpu", wanted: 3_000, free: 2_000, total: 2_000 }],
    });
    expect(placeNow([asks("a", wants({ cpuMilli: 4001, memoryBytes: 8 * 2 ** 30 }))]).waiting[0]?.wait).toEqual({
      kind: "neverFits",
      short: [
        { resource: "cpu", wanted: 4_001, free: 4_000, total: 4_000 },
        { resource: "memory", wanted: 8 * 2 ** 30, free: 4 * 2 ** 30, total: 4 * 2 ** 30 },
      ],
    });
  });

  test("a replica held back for another has the other as its reason", () => {
    const { waiting } = placeNow([asks("big", cpus(4)), asks("small", cpus(1))], [holds(cpus(1))], patienceMs);
    expect(waiting[1]).toEqual({ id: "small", wait: { kind: "turn", keptFor: "big" } });
  });
});

describe("whose turn it is", () => {
  const big = asks("big", cpus(4));
  const small = asks("small", cpus(1));
  const smallIsPlacedAt = (nowMs: number, ahead = [big]) =>
    idsOf(placeNow([...ahead, small], [holds(cpus(1))], nowMs).placed).includes("small");

  test("a replica is passed over for a while, then what is free is kept for it and open to all in turns that grow up to a bound", () => {
    const turns: [number, boolean][] = [
      [0, true],
      [patienceMs - 1, true],
      [patienceMs, false],
      [2 * patienceMs, true],
      [4 * patienceMs, false],
      [8 * patienceMs, true],
      [turnMaxMs - 1, false],
      [turnMaxMs, true],
      [2 * turnMaxMs, false],
      [3 * turnMaxMs, true],
      [101 * turnMaxMs, true],
    ];
    for (const [nowMs, placed] of turns) expect(smallIsPlacedAt(nowMs), `after ${nowMs} ms`).toBe(placed);
  });

  test("a replica that can never start here keeps nothing from others", () => {
    for (const nowMs of [0, patienceMs, 4 * patienceMs, 2 * turnMaxMs]) expect(smallIsPlacedAt(nowMs, [asks("huge", cpus(5))])).toBe(true);
  });

  test("those behind may take what the favoured one has no use for", () => {
    const pending = [asks("big", wants({ cpuMilli: 1000, gpuMilli: 2000 })), asks("cpu", cpus(2)), asks("gpu", wants({ gpuMilli: 200 }))];
    const { placed } = placeNow(pending, [holds(cpus(1)), holds(wants({ gpuMilli: 500 }), 0)], patienceMs);
    expect(idsOf(placed)).toEqual(["cpu"]);
  });

  test("replicas that wait for different amounts take the kept turns one after the other", () => {
    const pending = [asks("four", cpus(4)), asks("three", cpus(3)), asks("small", cpus(1))];
    const held = [holds(cpus(3))];
    const keptFor = (nowMs: number) => {
      const wait = placeNow(pending, held, nowMs).waiting.at(-1)?.wait;
      return wait?.kind === "turn" ? wait.keptFor : undefined;
    };
    expect([patienceMs, 4 * patienceMs, 16 * patienceMs].map(keptFor)).toEqual(["four", "three", "four"]);
  });
});

const resources = fc.record({
  cpuMilli: fc.integer({ min: 0, max: 5000 }),
  gpuMilli: fc.oneof(
    fc.constant(0),
    fc.integer({ min: 1, max: 999 }),
    fc.integer({ min: 1, max: 3 }).map((count) => count * 1000),
  ),
  memoryBytes: fc.integer({ min: 0, max: 5 * 2 ** 30 }),
});
const queue = fc.array(fc.record({ resources, waitedMs: fc.integer({ min: 0, max: 10 * turnMaxMs }) }), { maxLength: 30 });

describe("for every queue", () => {
  const nowMs = 20 * turnMaxMs;
  const pendingOf = (asked: { resources: Resources; waitedMs: number }[]) =>
    [...asked].sort((a, b) => b.waitedMs - a.waitedMs).map((one, i) => asks(`r${i}`, one.resources, nowMs - one.waitedMs));

  test("nothing is oversold, and GPU indexes are distinct, of this machine and as many as wanted", () => {
    fc.assert(
      fc.property(queue, queue, (first, second) => {
        const earlier = pendingOf(first);
        const later = pendingOf(second).map((one) => ({ ...one, id: `later-${one.id}` }));
        let held: Holding[] = [];
        for (const pending of [earlier, later]) {
          const { placed, waiting } = place({ pending, held, capacity, time: since0(nowMs) });
          const byId = new Map(pending.map((one) => [one.id, one.resources]));
          expect(new Set([...placed, ...waiting].map(({ id }) => id)).size).toBe(pending.length);
          held = [...held, ...placed.map(({ id, gpuIndexes }) => ({ resources: byId.get(id)!, gpuIndexes }))];
          for (const { resources, gpuIndexes } of held) {
            expect(new Set(gpuIndexes).size).toBe(gpusWanted(resources));
            expect(gpuIndexes.every((index) => index in [0, 1])).toBe(true);
          }
        }
        const total = allocated(held);
        expect(total.cpuMilli).toBeLessThanOrEqual(capacity.cpuMilli);
        expect(total.memoryBytes).toBeLessThanOrEqual(capacity.memoryBytes);
        for (const index of [0, 1]) {
          const sum = held.filter((one) => one.gpuIndexes.includes(index)).reduce((all, one) => all + milliOfEachGpu(one.resources), 0);
          expect(sum).toBeLessThanOrEqual(1000);
        }
        expect(free(capacity, held).cpuMilli).toBe(capacity.cpuMilli - total.cpuMilli);
      }),
    );
  });

  test("of those that want the same, an earlier one never waits while a later one is placed", () => {
    fc.assert(
      fc.property(queue, fc.array(resources, { minLength: 1, maxLength: 3 }), (asked, sizes) => {
        const pending = pendingOf(asked.map((one, i) => ({ ...one, resources: sizes[i % sizes.length]! })));
        const placed = new Set(idsOf(place({ pending, held: [], capacity, time: since0(nowMs) }).placed));
        for (const size of sizes) {
          const alike = pending.filter((one) => one.resources === size).map((one) => placed.has(one.id));
          expect(alike).toEqual([...alike].sort((a, b) => Number(b) - Number(a)));
        }
      }),
    );
  });

  test("every waiting replica has a reason", () => {
    fc.assert(
      fc.property(queue, (asked) => {
        const { waiting } = place({ pending: pendingOf(asked), held: [], capacity, time: since0(nowMs) });
        for (const { wait } of waiting) {
          if (wait.kind === "turn") expect(asked.map((_, index) => `r${index}`)).toContain(wait.keptFor);
          else expect("short" in wait ? wait.short.every(({ wanted, free }) => wanted > free) : wait).toBe(true);
        }
      }),
    );
  });
});

/**
 * Goal: neither a large replica nor the small ones behind it wait for ever. Method: small replicas
 * keep coming, one a second while few wait, each living for `lifeSeconds`, so that the machine is
 * never empty by itself; large ones wait in the middle of them. One place() a second.
 */
describe("no replica starves", () => {
  const run = (larges: readonly PendingReplica[], lifeSeconds: number, seconds: number, endlessCpus = 0) => {
    let pending: PendingReplica[] = [];
    let held: (Holding & { untilMs: number })[] =
      endlessCpus > 0 ? [{ ...holds(cpus(endlessCpus)), untilMs: Number.POSITIVE_INFINITY }] : [];
    const placedAtMs = new Map<string, number>();
    let longestSmallWaitMs = 0;
    for (let second = 0; second < seconds; second++) {
      const nowMs = second * 1000;
      held = held.filter((one) => one.untilMs > nowMs);
      pending.push(...larges.filter((one) => one.createdAtMs === nowMs));
      if (pending.length < 8) pending.push(asks(`small-${second}`, cpus(1), nowMs));
      const { placed } = place({ pending, held, capacity, time: since0(nowMs) });
      for (const { id, gpuIndexes } of placed) {
        const replica = pending.find((one) => one.id === id)!;
        placedAtMs.set(id, nowMs);
        held.push({ resources: replica.resources, gpuIndexes, untilMs: nowMs + lifeSeconds * 1000 });
        if (id.startsWith("small")) longestSmallWaitMs = Math.max(longestSmallWaitMs, nowMs - replica.createdAtMs);
      }
      const ids = new Set(idsOf(placed));
      pending = pending.filter((one) => !ids.has(one.id));
    }
    return { placedAtMs, longestSmallWaitMs };
  };

  test.each([3, 30, 100])("a replica that needs the whole machine gets it among small replicas that live %i s", (lifeSeconds) => {
    const { placedAtMs } = run([asks("large", cpus(4), 20_000)], lifeSeconds, 1_000);
    expect(placedAtMs.get("large")).toBeDefined();
  });

  test("several large ones of different sizes all get their turn", () => {
    const { placedAtMs } = run([asks("four", cpus(4), 20_000), asks("three", cpus(3), 21_000), asks("two", cpus(2), 22_000)], 20, 3_000);
    for (const id of ["four", "three", "two"]) expect(placedAtMs.get(id), id).toBeDefined();
  });

  test("a large replica that can never be placed does not keep a later one from its turn", () => {
    const { placedAtMs } = run([asks("four", cpus(4), 20_000), asks("three", cpus(3), 21_000)], 20, 3_000, 1);
    expect(placedAtMs.get("four")).toBeUndefined();
    expect(placedAtMs.get("three")).toBeDefined();
  });

  test("small replicas wait at most one turn behind large ones that are never placed", () => {
    const { longestSmallWaitMs, placedAtMs } = run([asks("four", cpus(4), 20_000), asks("five", cpus(3.5), 20_000)], 1, 3_000, 1);
    expect(placedAtMs.has("four")).toBe(false);
    expect(longestSmallWaitMs).toBeGreaterThan(0);
    expect(longestSmallWaitMs).toBeLessThanOrEqual(turnMaxMs + 10_000); // the turn, and those before it
  });
});
