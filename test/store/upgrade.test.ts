import { expect, test } from "vitest";
import { firstRecord } from "../../src/core/generations.ts";
import { upgraded } from "../../src/store/upgrade.ts";
import { spec } from "../core/rollout/plan-world.ts";

test("a record of an earlier version gets what this one added; one of this version stays as it is", () => {
  const now = firstRecord(spec, "u", 1);
  expect(upgraded("deployment", now)).toEqual(now);
  const { rollout, runtimeEnv, ...others } = spec;
  const { npm, pip, ...oldEnv } = runtimeEnv;
  const oldSpec = { ...others, runtimeEnv: oldEnv };
  const { newestConfigGeneration, ...old } = now;
  expect(upgraded("deployment", { ...old, spec: oldSpec, configGeneration: 4 })).toEqual({
    ...now,
    configGeneration: 4,
    newestConfigGeneration: 4,
  });
  expect(upgraded("progress", { uid: "u", everRan: true })).toMatchObject({ everStable: true, progressedAtMs: 0, rolloutFailure: "" });
  expect(upgraded("revision", { revision: 2, spec: oldSpec })).toMatchObject({ configGeneration: 1, spec: { rollout, runtimeEnv } });
  expect(upgraded("replica", { id: "a" })).toEqual({ id: "a" });
});
