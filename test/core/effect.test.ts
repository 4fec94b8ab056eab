import { expect, test } from "vitest";
import { differences, effectOf } from "../../src/core/effect.ts";
import { spec } from "../kit/records.ts";

test("what a replica is started with takes a new revision; what only the controller reads does not", () => {
  expect(effectOf(spec, { ...spec, program: { kind: "command", argv: ["other"] } })).toBe("ROLLOUT");
  expect(effectOf(spec, { ...spec, resources: { ...spec.resources, cpuMilli: 500 } })).toBe("ROLLOUT");
  expect(effectOf(spec, { ...spec, maxMessageBytes: 2 ** 20 })).toBe("ROLLOUT");
  expect(effectOf(spec, { ...spec, runtimeEnv: { ...spec.runtimeEnv, envVars: { A: "1" } } })).toBe("ROLLOUT");
  for (const change of [
    { numReplicas: 9 },
    { labels: { a: "b" } },
    { application: "shop" },
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
