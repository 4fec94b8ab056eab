// The API over a store in memory and real gRPC; what replicas do is played by records.
import { afterEach, beforeEach, expect, test } from "vitest";
import { Effect, type WatchDeploymentsResponse } from "../../gen/drover/v1/controller_service_pb.ts";
import type { ControllerApi } from "../../src/api/controller-service.ts";
import type { MemoryStore } from "../../src/store/memory-store.ts";
import { type OpenedApi, openApi, specOf } from "./opened-api.ts";

let opened: OpenedApi;
let store: MemoryStore;
let api: ControllerApi;

beforeEach(async () => {
  opened = await openApi();
  ({ store, api } = opened);
});
afterEach(() => opened.close());

const controller = () => opened.controller;

/** Collects a watch until `enough` says so; calls `onSynced` at the event synced. */
async function watch(
  request: { names?: string[]; resumePosition?: bigint },
  enough: (events: readonly WatchDeploymentsResponse[]) => boolean,
  onSynced: () => Promise<unknown> = async () => {},
) {
  const events: WatchDeploymentsResponse[] = [];
  for await (const event of controller().watchDeployments(request)) {
    events.push(event);
    if (event.event.case === "synced") onSynced().catch(() => {});
    if (enough(events)) break;
  }
  return events.map(({ event, position }) => {
    const what =
      event.case === "deploymentUpdated"
        ? `${event.value.spec?.name}@${event.value.status?.generation}`
        : event.case === "deploymentDeleted"
          ? `-${event.value}`
          : "synced";
    return `${position ?? "-"} ${what}`;
  });
}

test("a watch reports the current state, then synced, then each change with its position", async () => {
  await controller().deploy({ spec: specOf("a") });
  await controller().deploy({ spec: specOf("b") });
  const events = await watch(
    {},
    (seen) => seen.length === 5,
    async () => {
      await controller().scale({ name: "a", numReplicas: 2 });
      await controller().deleteDeployment({ name: "b" });
    },
  );
  expect(events.slice(0, 2).map((event) => event.split(" ")[1]?.split("@")[0])).toEqual(["a", "b"]);
  // Each deploy was three writes, of the deployment, its revision and its config.
  expect(events.slice(-2)).toEqual(["7 a@2", "8 b@2"]);
});

test("a watch resumes after a position without a gap, and fails with the reason to start again where it cannot", async () => {
  await controller().deploy({ spec: specOf("a") });
  await controller().scale({ name: "a", numReplicas: 2 });
  await controller().scale({ name: "a", numReplicas: 3 });
  const synced = (events: readonly WatchDeploymentsResponse[]) => events.at(-1)?.event.case === "synced";
  expect(await watch({ resumePosition: 1n }, synced)).toEqual(["- a@2", "- a@3", "5 synced"]);
  expect(await watch({ resumePosition: 5n }, synced)).toEqual(["5 synced"]);
  await expect(watch({ resumePosition: 99n }, synced)).rejects.toMatchObject({ code: "ABORTED", reason: "WATCH_EXPIRED" });
});

test("no event before synced has a position, so that no watch resumes where events are missing", async () => {
  const names = Array.from({ length: 10 }, (_, index) => `d${index}`);
  await controller().apply({ specs: names.map((name) => specOf(name)) });
  const events = await watch({}, (seen) => seen.at(-1)?.event.case === "synced");
  expect(events).toHaveLength(11);
  expect(events.slice(0, 10).filter((event) => !event.startsWith("- "))).toEqual([]);
  const [position = "", last] = events.at(-1)?.split(" ") ?? [];
  expect(last).toBe("synced");
  await controller().scale({ name: "d7", numReplicas: 2 });
  const resumed = await watch({ resumePosition: BigInt(position) }, (seen) => seen.at(-1)?.event.case === "synced");
  expect(resumed.map((event) => event.split(" ")[1])).toEqual(["d7@2", "synced"]);
});

test("a watch resumes at position 0 too, when nothing was ever written", async () => {
  const [synced] = await watch({}, (seen) => seen.length === 1);
  expect(synced).toBe("0 synced");
  await controller().deploy({ spec: specOf("a") });
  const events = await watch({ resumePosition: 0n }, (seen) => seen.at(-1)?.event.case === "synced");
  expect(events.map((event) => event.split(" ")[1])).toEqual(["a@1", "synced"]);
});

test("a watch of one name reports no other deployment", async () => {
  const events = await watch(
    { names: ["b"] },
    (seen) => seen.length === 2,
    async () => {
      await controller().deploy({ spec: specOf("a") });
      await controller().deploy({ spec: specOf("b") });
    },
  );
  expect(events.map((event) => event.split(" ")[1])).toEqual(["synced", "b@1"]);
});

test("a watch ends with UNAVAILABLE when the controller stops", async () => {
  const watching = watch(
    {},
    () => false,
    async () => api.close(),
  );
  await expect(watching).rejects.toMatchObject({ code: "UNAVAILABLE", reason: "SHUTTING_DOWN" });
});

test("of a hundred retries of one request at the same time, one has an effect, and all get its answer", async () => {
  const answers = await Promise.all(
    Array.from({ length: 100 }, () => controller().deploy({ spec: { ...specOf("a"), version: "" }, requestId: "same" })),
  );
  expect(new Set(answers.map(({ deployment }) => deployment?.uid)).size).toBe(1);
  expect((await controller().getDeployment({ name: "a" })).deployment?.status?.generation).toBe(1n);
});

test("of two writes that expect the same generation, one wins", async () => {
  await controller().deploy({ spec: specOf("a") });
  const both = await Promise.allSettled(
    [1, 2].map((numReplicas) => controller().deploy({ spec: specOf("a", { numReplicas: numReplicas + 5 }), expectedGeneration: 1n })),
  );
  expect(both.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
});

test("changes by many at once are all kept", async () => {
  await controller().deploy({ spec: specOf("a") });
  const results = await Promise.allSettled(
    Array.from({ length: 20 }, (_, index) => controller().scale({ name: "a", numReplicas: index + 10 })),
  );
  const done = results.filter(({ status }) => status === "fulfilled").length;
  const { deployment } = await controller().getDeployment({ name: "a" });
  expect(Number(deployment?.status?.generation)).toBe(1 + done);
  for (const result of results) if (result.status === "rejected") expect(result.reason).toMatchObject({ code: "ABORTED" });
});

test("a deployment that is being deleted takes no change, and deleting it again changes nothing", async () => {
  await controller().deploy({ spec: specOf("a") });
  const first = await controller().deleteDeployment({ name: "a" });
  expect(await controller().deleteDeployment({ name: "a" })).toEqual(first);
  for (const change of [() => controller().deploy({ spec: specOf("a") }), () => controller().scale({ name: "a", numReplicas: 2 })]) {
    await expect(change()).rejects.toMatchObject({ code: "FAILED_PRECONDITION", reason: "DEPLOYMENT_DELETING" });
  }
  await expect(controller().deleteDeployment({ name: "b" })).rejects.toMatchObject({ code: "NOT_FOUND" });
  expect(await controller().deleteDeployment({ name: "b", allowMissing: true })).not.toHaveProperty("deployment");
});

test("while the store is away reads give what was known, and changes say to wait", async () => {
  await controller().deploy({ spec: specOf("a") });
  await controller().getDeployment({ name: "a" });
  store.setFault("unavailable");
  expect((await controller().getDeployment({ name: "a" })).deployment?.spec?.name).toBe("a");
  const refused = await controller()
    .scale({ name: "a", numReplicas: 2 })
    .catch((error: unknown) => error);
  expect(refused).toMatchObject({ code: "UNAVAILABLE", reason: "STORE_UNAVAILABLE", facts: { retryAfterMs: expect.any(Number) } });
  store.setFault("none");
  expect((await controller().scale({ name: "a", numReplicas: 2 })).deployment?.status?.generation).toBe(2n);
});

test("JSON comes back as it was given; what is not JSON is refused with its field", async () => {
  const userConfig = {
    kind: { case: "structValue" as const, value: { fields: { a: { kind: { case: "nullValue" as const, value: 0 as const } } } } },
  };
  const { deployment } = await controller().deploy({ spec: specOf("a", { userConfig, initArgs: { x: [1, { y: "ü" }] } }) });
  expect(deployment?.spec?.initArgs).toEqual({ x: [1, { y: "ü" }] });
  expect(deployment?.spec?.userConfig?.kind.case).toBe("structValue");
  const bad = { kind: { case: "numberValue" as const, value: Number.NaN } };
  await expect(controller().deploy({ spec: specOf("b", { userConfig: bad }) })).rejects.toMatchObject({
    facts: { violations: [{ field: "spec.user_config" }] },
  });
});

test("validate_only reports what each field's change costs, and changes nothing", async () => {
  const first = await controller().deploy({ spec: specOf("a"), validateOnly: true });
  expect(first).toMatchObject({ effect: Effect.ROLLOUT, changes: [] });
  await controller().deploy({ spec: specOf("a", { labels: { team: "x" }, runtimeEnv: { envVars: { A: "1" } } }) });
  const dry = (more: object) =>
    controller().deploy({ spec: specOf("a", { labels: { team: "x" }, runtimeEnv: { envVars: { A: "1" } }, ...more }), validateOnly: true });
  expect(await dry({})).toMatchObject({ effect: Effect.NONE, changes: [] });
  expect(await dry({ numReplicas: 3 })).toMatchObject({
    effect: Effect.LIVE,
    changes: [{ field: "num_replicas", effect: Effect.LIVE, before: "1", after: "3" }],
  });
  const both = await dry({ labels: {}, runtimeEnv: { envVars: { A: "2" } }, resources: { numCpus: 2 } });
  expect(both.effect).toBe(Effect.ROLLOUT);
  expect(both.changes.map(({ field, effect, before, after }) => [field, effect, before, after])).toEqual([
    ['runtime_env.env_vars["A"]', Effect.ROLLOUT, '"1"', '"2"'],
    ["resources.num_cpus", Effect.ROLLOUT, "1", "2"],
    ['labels["team"]', Effect.LIVE, '"x"', ""],
  ]);
  expect(await dry({ version: "" })).toMatchObject({ effect: Effect.ROLLOUT, changes: [{ field: "version" }] });
  expect((await controller().getDeployment({ name: "a" })).deployment?.status?.generation).toBe(1n);
});
