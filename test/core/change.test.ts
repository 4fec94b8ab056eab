import { expect, test } from "vitest";
import { backoffMs } from "../../src/core/backoff.ts";
import { differences, effectOf, firstRecord, nextRecord } from "../../src/core/change.ts";
import { advance, type ReplicaRecord, type ReplicaState } from "../../src/core/replica.ts";
import { spec } from "./plan-world.ts";

test("an equal spec with a version changes nothing, and without one is a new revision", () => {
  const record = firstRecord(spec, "u", 1);
  expect(nextRecord(record, { ...spec, labels: {} }, 2)).toBe(record);
  expect(nextRecord(record, { ...spec, version: "" }, 2)).toMatchObject({
    generation: 2,
    revision: 2,
    configGeneration: 1,
    updatedAtMs: 2,
  });
});

test("what a replica is started with takes a new revision; what only the controller reads does not", () => {
  expect(effectOf(spec, { ...spec, program: { kind: "command", argv: ["other"] } })).toBe("ROLLOUT");
  expect(effectOf(spec, { ...spec, resources: { ...spec.resources, cpuMilli: 500 } })).toBe("ROLLOUT");
  expect(effectOf(spec, { ...spec, runtimeEnv: { workingDir: "", envVars: { A: "1" } } })).toBe("ROLLOUT");
  for (const change of [
    { numReplicas: 9 },
    { labels: { a: "b" } },
    { maxQueuedRequests: 3 },
    { requestTimeoutMs: 5 },
    { gracefulShutdownTimeoutMs: 1 },
  ]) {
    expect(effectOf(spec, { ...spec, ...change })).toBe("LIVE");
  }
});

test("a new user_config raises its generation; null is one, none is not", () => {
  const record = firstRecord(spec, "u", 1);
  const withNull = nextRecord(record, { ...spec, userConfig: null }, 2);
  expect(withNull).toMatchObject({ configGeneration: 2, revision: 2 });
  expect(nextRecord(withNull, { ...spec, userConfig: null, numReplicas: 7 }, 3)).toMatchObject({
    configGeneration: 2,
    revision: 2,
    generation: 3,
  });
});

test("waits double from one second to one minute, give or take a fifth", () => {
  expect([1, 2, 3, 6, 7, 60].map((failures) => backoffMs(failures, 0.5))).toEqual([1_000, 2_000, 4_000, 32_000, 60_000, 60_000]);
  expect([backoffMs(1, 0), backoffMs(1, 1)]).toEqual([800, 1_200]);
});

test("a replica's state only moves forward", () => {
  const states: readonly ReplicaState[] = ["PENDING", "STARTING", "RUNNING", "DRAINING", "STOPPED", "FAILED"];
  const rank = [0, 1, 2, 3, 4, 4];
  for (const [from, before] of states.entries()) {
    for (const [to, after] of states.entries()) {
      const move = () => advance({ state: before, readyAtMs: 0 } as ReplicaRecord, after, 5).state;
      if ((rank[to] ?? 0) > (rank[from] ?? 0)) expect(move()).toBe(after);
      else expect(move).toThrow("cannot go from");
    }
  }
});

test("differences name each value that is not the same, as deep as both sides have objects", () => {
  const before = { a: 1, b: { c: [1, 2], d: null }, e: "x" };
  const after = { a: 1, b: { c: [2, 1], d: null, f: true }, e: { g: 1 } };
  expect(differences(before, after)).toEqual([
    { path: ["b", "c"], before: [1, 2], after: [2, 1] },
    { path: ["b", "f"], before: undefined, after: true },
    { path: ["e"], before: "x", after: { g: 1 } },
  ]);
  expect(differences(before, structuredClone(before))).toEqual([]);
});
