import { describe, expect, test } from "vitest";
import type { DeploymentRecord, ProgressRecord } from "../../src/core/deployment.ts";
import { firstRecord } from "../../src/core/generations.ts";
import { isFailing, type ReplicaRecord } from "../../src/core/replica.ts";
import { conditionsOf } from "../../src/core/rollout/conditions.ts";
import { replicaInWords } from "../../src/core/words/replica-words.ts";
import { rolloutFailureInWords, startFailureInWords } from "../../src/core/words/rollout-words.ts";
import { upgraded } from "../../src/store/upgrade.ts";
import { spec } from "../kit/records.ts";

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
  expect(upgraded("progress", { uid: "u", everRan: true })).toEqual({ uid: "u", everRan: true, everStable: true, progressedAtMs: 0 });
  expect(upgraded("revision", { revision: 2, spec: oldSpec })).toMatchObject({ configGeneration: 1, spec: { rollout, runtimeEnv } });
  expect(upgraded("replica", { id: "a", address: "unix:/a" })).toEqual({ id: "a", address: "unix:/a" });
  expect(upgraded("decision", { number: 1, bound: "" })).toEqual({ number: 1 });
  expect(upgraded("decision", { number: 1, bound: "max_surge" })).toEqual({ number: 1, bound: "max_surge" });
  expect(upgraded("replica", { id: "a", state: "PENDING", message: "", address: "" })).not.toHaveProperty("address");
});

describe("a record in which sentences and sentinels were kept", () => {
  const replica = {
    id: "app-1",
    deployment: "app",
    uid: "u",
    revision: 1,
    resources: spec.resources,
    gpuIndexes: [],
    createdAtMs: 1,
    sinceMs: 2,
  };
  const old = (more: object) => upgraded<object>("replica", { ...replica, ...more }) as ReplicaRecord;

  test("of a replica that failed has the cause and the lines", () => {
    const now = old({ state: "FAILED", message: "ended before it served (exit code 1)\nno model", readyAtMs: 0 });
    expect(now).toEqual({
      ...replica,
      state: "FAILED",
      failure: { cause: { kind: "earlier", text: "ended before it served (exit code 1)" }, lines: ["no model"] },
    });
    expect(replicaInWords(now)).toBe("ended before it served (exit code 1)\nno model");
  });

  test("of a replica that is taken away says the same of it, and whether it is for a failure", () => {
    const scaled = old({ state: "DRAINING", message: "scaled down", readyAtMs: 5 });
    expect([replicaInWords(scaled), isFailing(scaled), scaled.readyAtMs]).toEqual(["scaled down", false, 5]);
    const ill = old({ state: "DRAINING", message: "unhealthy: 3 checks failed", failing: true, readyAtMs: 5 });
    expect([replicaInWords(ill), isFailing(ill)]).toEqual(["unhealthy: 3 checks failed", true]);
  });

  test("of a replica that waits or runs is without its sentence", () => {
    expect(old({ state: "PENDING", message: "waits for CPU: wants 1, 0 of 4 free", readyAtMs: 0 })).toEqual({
      ...replica,
      state: "PENDING",
    });
    expect(old({ state: "RUNNING", message: "", readyAtMs: 7 })).toEqual({ ...replica, state: "RUNNING", readyAtMs: 7 });
  });

  const progress = {
    uid: "u",
    observedGeneration: 1,
    revision: 1,
    failedStarts: 5,
    failedAtMs: 9,
    retryAtMs: 10,
    everRan: false,
    everStable: false,
    progressedAtMs: 1,
    rolloutFailure: "5 failed starts in a row, the last: app-1 exit code 1\nno model",
    lastFailure: "app-1 exit code 1\nno model",
    installing: "installing 3 packages",
    settled: { revision: 0, target: 0 },
    healthyRevisions: [],
  };
  const oldProgress = (more: object = {}) => upgraded<object>("progress", { ...progress, ...more }) as ProgressRecord;

  test("of a rollout that failed says why, once", () => {
    const now = oldProgress();
    expect(now).toMatchObject({
      failedStarts: 5,
      failedAtMs: 9,
      retryAtMs: 10,
      lastFailure: { replicaId: "app-1", revision: 1, lines: ["no model"] },
    });
    expect([now.settled, now.installing]).toEqual([undefined, undefined]);
    expect(now.lastFailure && startFailureInWords(now.lastFailure)).toBe(progress.lastFailure);
    expect(now.rolloutFailure && rolloutFailureInWords(now.rolloutFailure)).toBe(progress.rolloutFailure);
    const conditions = conditionsOf(firstRecord(spec, "u", 1), now, [], { kind: "engine" });
    expect(conditions.map(({ type, reason }) => [type, reason])).toEqual([["ROLLOUT_FAILED", "EARLIER_VERSION"]]);
  });

  test("of packages that could not be had is of no replica", () => {
    const { lastFailure } = oldProgress({
      lastFailure: "revision 1 could not be given its packages: npm ended with exit code 1",
      rolloutFailure: "",
    });
    expect(lastFailure).toMatchObject({ revision: 1, cause: { text: "could not be given its packages: npm ended with exit code 1" } });
    expect(lastFailure?.replicaId).toBeUndefined();
  });

  test("of what goes well has nothing where there was 0 or an empty text", () => {
    const none = { failedStarts: 0, failedAtMs: 0, retryAtMs: 0, rolloutFailure: "", lastFailure: "", settled: { revision: 1, target: 2 } };
    const { failedAtMs, retryAtMs, rolloutFailure, lastFailure, settled } = oldProgress(none);
    expect([failedAtMs, retryAtMs, rolloutFailure, lastFailure]).toEqual([undefined, undefined, undefined, undefined]);
    expect(settled).toEqual({ revision: 1, target: 2 });
  });

  test("of this version stays as it is, read again and again", () => {
    const now = oldProgress();
    expect(upgraded("progress", now)).toEqual(now);
    const failed = old({ state: "FAILED", message: "exit code 1", readyAtMs: 0 });
    expect(upgraded("replica", failed)).toEqual(failed);
  });

  test("of a deployment that was gone back with, and of a change of config that was refused, says why", () => {
    const record = { ...firstRecord(spec, "u", 1), failedRollout: { revision: 2, cause: "app-2 exit code 1", atMs: 3 } };
    const now = upgraded<object>("deployment", record) as DeploymentRecord;
    expect(now.failedRollout).toEqual({ revision: 2, cause: { kind: "earlier", text: "app-2 exit code 1" }, atMs: 3 });
    const violations = [{ field: "model", description: "must be a text" }];
    const change = {
      replicas: [
        { replicaId: "a", outcome: "REFUSED", message: "no such model", violations },
        { replicaId: "b", outcome: "REVERTED", message: "", violations: [] },
      ],
    };
    expect(upgraded("change", change)).toEqual({
      replicas: [
        { replicaId: "a", outcome: "REFUSED", problem: { kind: "refused", message: "no such model", violations } },
        { replicaId: "b", outcome: "REVERTED" },
      ],
    });
  });
});
