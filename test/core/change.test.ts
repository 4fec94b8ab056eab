import { expect, test } from "vitest";
import { backoffMs } from "../../src/core/backoff.ts";
import { differences, effectOf } from "../../src/core/effect.ts";
import { changed, changing, firstRecord, nextRecord, rolledBack } from "../../src/core/generations.ts";
import { advance, type ReplicaRecord, type ReplicaState } from "../../src/core/replica.ts";
import { spec } from "../kit/records.ts";

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
  expect(effectOf(spec, { ...spec, runtimeEnv: { ...spec.runtimeEnv, envVars: { A: "1" } } })).toBe("ROLLOUT");
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

test("another config is given to running replicas; that there is none any more takes new ones", () => {
  const withConfig = { ...spec, userConfig: { threshold: 1 } };
  expect(effectOf(spec, withConfig)).toBe("RECONFIGURE");
  expect(effectOf(spec, { ...spec, userConfig: null })).toBe("RECONFIGURE");
  expect(effectOf(withConfig, { ...withConfig, maxOngoingRequests: 9, numReplicas: 9 })).toBe("RECONFIGURE");
  expect(effectOf(withConfig, { ...withConfig, userConfig: null, version: "2" })).toBe("ROLLOUT");
  expect(effectOf(withConfig, spec)).toBe("ROLLOUT");
});

test("a new config raises its generation, also over those of changes that were refused; null is one, none is not", () => {
  const record = firstRecord(spec, "u", 1);
  const withNull = nextRecord(record, { ...spec, userConfig: null }, 2);
  expect(withNull).toMatchObject({ configGeneration: 2, newestConfigGeneration: 2, revision: 1 });
  expect(nextRecord(withNull, { ...spec, userConfig: null, numReplicas: 7 }, 3)).toMatchObject({ configGeneration: 2, generation: 3 });
  const refused = changed(changing(withNull, "c"), 4);
  expect(refused).toEqual({ ...withNull, newestConfigGeneration: 3 });
  expect(nextRecord(refused, { ...spec, userConfig: 5 }, 5)).toMatchObject({ configGeneration: 4 });
});

test("a change of config that is committed is a new generation of the spec, and of the config", () => {
  const record = changing(firstRecord(spec, "u", 1), "c");
  expect(record).toMatchObject({ changing: "c", generation: 1, configGeneration: 1, newestConfigGeneration: 2 });
  const after = changed(record, 7, { spec: { ...spec, userConfig: 1 }, generation: 2 });
  expect(after).toMatchObject({ generation: 2, configGeneration: 2, revision: 1, updatedAtMs: 7, spec: { userConfig: 1 } });
  expect(after.changing).toBeUndefined();
});

test("a rollback takes the config back that its revision had last", () => {
  const record = nextRecord(firstRecord({ ...spec, userConfig: 1 }, "u", 1), { ...spec, userConfig: 2, version: "2" }, 2);
  const back = rolledBack(record, { revision: 1, spec: { ...spec, userConfig: 1 } }, 3);
  expect(back).toMatchObject({ revision: 1, configGeneration: 3, spec: { userConfig: 1, version: "1" } });
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
