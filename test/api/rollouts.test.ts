// Revisions, rollbacks and pauses over a store in memory and real gRPC; what replicas do is played
// by records.
import { afterEach, beforeEach, expect, test } from "vitest";
import { erase, noteHealthy, type OpenedApi, openApi, recordOf, specOf } from "./opened-api.ts";

let opened: OpenedApi;

beforeEach(async () => {
  opened = await openApi();
});
afterEach(() => opened.close());

const controller = () => opened.controller;

test("a rollback brings back what replicas are started with, under its old number, and leaves the rest", async () => {
  await controller().deploy({
    spec: specOf("a", { version: "1", labels: { team: "x" }, userConfig: { kind: { case: "boolValue", value: true } } }),
  });
  await controller().deploy({ spec: specOf("a", { version: "2", runtimeEnv: { envVars: { A: "1" } } }) });
  await controller().scale({ name: "a", numReplicas: 7 });
  await noteHealthy(opened.store, "a", [1, 2]);
  const { deployment } = await controller().rollback({ name: "a" });
  expect(deployment?.status).toMatchObject({ revision: 1n, generation: 4n });
  expect(deployment?.spec).toMatchObject({
    version: "1",
    numReplicas: 7,
    labels: {},
    runtimeEnv: { envVars: {} },
    userConfig: { kind: { value: true } },
  });
  const { revisions } = await controller().listRevisions({ name: "a" });
  expect(revisions.map(({ revision, current, wasHealthy, spec }) => [revision, current, wasHealthy, spec?.version])).toEqual([
    [2n, false, true, "2"],
    [1n, true, true, "1"],
  ]);
  const next = await controller().deploy({ spec: specOf("a", { version: "3" }) });
  expect(next.deployment?.status?.revision).toBe(3n);
});

test("a rollback needs a kept revision; without a name, a kept revision that was healthy", async () => {
  await controller().deploy({ spec: specOf("a", { version: "1" }) });
  await controller().deploy({ spec: specOf("a", { version: "2" }) });
  await expect(controller().rollback({ name: "a" })).rejects.toMatchObject({ code: "FAILED_PRECONDITION", reason: "NO_HEALTHY_REVISION" });
  await expect(controller().rollback({ name: "a", revision: 9n })).rejects.toMatchObject({
    reason: "REVISION_NOT_FOUND",
    message: expect.stringContaining("1, 2"),
  });
  await expect(controller().rollback({ name: "b" })).rejects.toMatchObject({ reason: "DEPLOYMENT_NOT_FOUND" });
  expect((await controller().rollback({ name: "a", revision: 1n })).deployment?.status?.revision).toBe(1n);
});

test("the last ten revisions are kept, and the last that was healthy", async () => {
  await controller().deploy({ spec: specOf("a", { version: "1" }) });
  await noteHealthy(opened.store, "a", [1]);
  for (let version = 2; version <= 15; version++) await controller().deploy({ spec: specOf("a", { version: String(version) }) });
  const { revisions } = await controller().listRevisions({ name: "a" });
  expect(revisions.map(({ revision }) => Number(revision))).toEqual([15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 1]);
});

test("revisions of an earlier deployment of the same name are neither shown nor gone back to", async () => {
  await controller().deploy({ spec: specOf("a", { version: "1" }) });
  await controller().deploy({ spec: specOf("a", { version: "2" }) });
  await noteHealthy(opened.store, "a", [1, 2]);
  await erase(opened.store, "a", 1);
  await controller().deploy({ spec: specOf("a", { version: "3" }) });
  const { revisions } = await controller().listRevisions({ name: "a" });
  expect(revisions.map(({ revision, wasHealthy, spec }) => [revision, wasHealthy, spec?.version])).toEqual([[1n, false, "3"]]);
  await expect(controller().rollback({ name: "a", revision: 2n })).rejects.toMatchObject({ reason: "REVISION_NOT_FOUND" });
  await expect(controller().rollback({ name: "a" })).rejects.toMatchObject({ reason: "NO_HEALTHY_REVISION" });
});

test("a rollout is paused and resumed without a new generation; doing so again writes nothing", async () => {
  await controller().deploy({ spec: specOf("a") });
  const paused = (await controller().pauseRollout({ name: "a" })).deployment?.status;
  expect(paused).toMatchObject({ paused: true, generation: 1n });
  const position = await opened.store.position();
  expect((await controller().pauseRollout({ name: "a" })).deployment?.status).toEqual(paused);
  expect(await opened.store.position()).toBe(position);
  expect((await controller().getDeployment({ name: "a" })).deployment?.status?.paused).toBe(true);
  const resumed = (await controller().resumeRollout({ name: "a" })).deployment?.status;
  expect(resumed).toMatchObject({ paused: false, generation: 1n });
  expect((await recordOf(opened.store, "a")).resumedAtMs).toBeGreaterThan(0);
  const resumedPosition = await opened.store.position();
  expect((await controller().resumeRollout({ name: "a" })).deployment?.status).toEqual(resumed);
  expect(await opened.store.position()).toBe(resumedPosition);
});

test("a rollout stays paused when another is deployed, and goes on with a rollback, also to the revision wanted", async () => {
  await controller().deploy({ spec: specOf("a", { version: "1" }) });
  await controller().pauseRollout({ name: "a" });
  const next = await controller().deploy({ spec: specOf("a", { version: "2" }) });
  expect(next.deployment?.status).toMatchObject({ paused: true, revision: 2n });
  const same = await controller().rollback({ name: "a", revision: 2n });
  expect(same.deployment?.status).toMatchObject({ paused: false, revision: 2n, generation: 2n });
  await controller().pauseRollout({ name: "a" });
  const back = await controller().rollback({ name: "a", revision: 1n });
  expect(back.deployment?.status).toMatchObject({ paused: false, revision: 1n, generation: 3n });
});

test("what is not there, or is being deleted, is neither paused nor resumed", async () => {
  await controller().deploy({ spec: specOf("a") });
  await controller().deleteDeployment({ name: "a" });
  for (const call of [controller().pauseRollout, controller().resumeRollout]) {
    await expect(call({ name: "a" })).rejects.toMatchObject({ code: "FAILED_PRECONDITION", reason: "DEPLOYMENT_DELETING" });
    await expect(call({ name: "b" })).rejects.toMatchObject({ code: "NOT_FOUND", reason: "DEPLOYMENT_NOT_FOUND" });
    await expect(call({ name: "" })).rejects.toMatchObject({ code: "INVALID_ARGUMENT", facts: { violations: [{ field: "name" }] } });
  }
});
