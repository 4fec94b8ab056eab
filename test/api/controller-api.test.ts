// The API over a store in memory and real gRPC; what replicas do is played by records.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ControllerService, Effect, type WatchDeploymentsResponse } from "../../gen/drover/v1/controller_service_pb.ts";
import { ControllerApi } from "../../src/api/controller-service.ts";
import { realClock, realRandom } from "../../src/clock/real.ts";
import type { ProgressRecord } from "../../src/core/deployment.ts";
import { silentLog } from "../../src/log/log.ts";
import { Channel } from "../../src/rpc/channel.ts";
import { RpcServer } from "../../src/rpc/server.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import { Mirror } from "../../src/store/mirror.ts";

const program = { kind: { case: "command" as const, value: { argv: ["app"] } } };
const specOf = (name: string, more = {}) => ({ name, version: "1", program, ...more });

let folder: string;
let store: MemoryStore;
let mirror: Mirror;
let api: ControllerApi;
let server: RpcServer;
let channel: Channel;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "drover-api-"));
  store = new MemoryStore({ clock: realClock });
  mirror = await Mirror.open({ store, clock: realClock, log: silentLog });
  const observed = { replica: () => undefined, queued: () => 0, pid: () => 0 };
  const capacity = () => ({ cpuMilli: 4_000, gpuCount: 1, memoryBytes: 1_000 });
  const logs = async function* (replicaId: string) {
    yield { replicaId, stream: "stdout" as const, line: `${replicaId} speaks` };
  };
  api = new ControllerApi({ store, mirror, observed, capacity, logs, clock: realClock, random: realRandom });
  server = new RpcServer({ implementations: [api.implementation], log: silentLog, clock: realClock });
  channel = new Channel(await server.listen(`unix:${join(folder, "s")}`));
});
afterEach(async () => {
  channel.close();
  api.close();
  await server.close(0);
  await mirror.close();
  await store.close();
  await rm(folder, { recursive: true });
});

const controller = () => channel.client(ControllerService);

/** Collects a watch until `enough` says so; calls `onSynced` when all that was has been told. */
async function watch(
  request: { names?: string[]; resumeRevision?: bigint },
  enough: (events: readonly WatchDeploymentsResponse[]) => boolean,
  onSynced: () => Promise<unknown> = async () => {},
) {
  const events: WatchDeploymentsResponse[] = [];
  for await (const event of controller().watchDeployments(request)) {
    events.push(event);
    if (event.event.case === "synced") onSynced().catch(() => {});
    if (enough(events)) break;
  }
  return events.map(({ event, revision }) => {
    const what =
      event.case === "deploymentUpdated"
        ? `${event.value.spec?.name}@${event.value.status?.generation}`
        : event.case === "deploymentDeleted"
          ? `-${event.value}`
          : "synced";
    return `${revision} ${what}`;
  });
}

test("a watch tells what is, then synced, then each change with its revision", async () => {
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
  // Each deploy was two mutations, of the deployment and of its revision.
  expect(events.slice(-2)).toEqual(["5 a@2", "6 b@2"]);
});

test("a watch resumes after a revision without a gap, and is told to start again where it cannot", async () => {
  await controller().deploy({ spec: specOf("a") });
  await controller().scale({ name: "a", numReplicas: 2 });
  await controller().scale({ name: "a", numReplicas: 3 });
  const synced = (events: readonly WatchDeploymentsResponse[]) => events.at(-1)?.event.case === "synced";
  expect(await watch({ resumeRevision: 1n }, synced)).toEqual(["3 a@2", "4 a@3", "4 synced"]);
  expect(await watch({ resumeRevision: 4n }, synced)).toEqual(["4 synced"]);
  await expect(watch({ resumeRevision: 99n }, synced)).rejects.toMatchObject({ code: "ABORTED", reason: "WATCH_EXPIRED" });
});

test("a watch of one name is not told of others", async () => {
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

test("of two who expect the same generation, one wins", async () => {
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
  for (const change of [controller().deploy({ spec: specOf("a") }), controller().scale({ name: "a", numReplicas: 2 })]) {
    await expect(change).rejects.toMatchObject({ code: "FAILED_PRECONDITION", reason: "DEPLOYMENT_DELETING" });
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

test("autoscaling, which this version does not have, is refused and not ignored", async () => {
  const refused = controller().deploy({ spec: specOf("a", { autoscalingConfig: { minReplicas: 1 } }) });
  await expect(refused).rejects.toMatchObject({ facts: { violations: [{ field: "spec.autoscaling_config" }] } });
});

test("validate_only tells what each field's change costs, and does nothing", async () => {
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

/** Says of a deployment what the reconcile loop would. */
async function noteHealthy(name: string, healthyRevisions: readonly number[]): Promise<void> {
  const entry = await store.get("progress", name);
  const deployment = (await store.get("deployment", name))?.value;
  if (deployment === undefined) throw new Error("no deployment");
  const value: ProgressRecord = {
    uid: deployment.uid,
    observedGeneration: deployment.generation,
    revision: deployment.revision,
    failedStarts: 0,
    failedAtMs: 0,
    retryAtMs: 0,
    everRan: true,
    lastFailure: "",
    settled: { revision: deployment.revision, target: 1 },
    healthyRevisions,
  };
  await store.commit([{ put: "progress", key: name, version: entry?.version ?? 0, value }]);
}

test("a rollback brings back what replicas are started with, under its old number, and leaves the rest", async () => {
  await controller().deploy({
    spec: specOf("a", { version: "1", labels: { team: "x" }, userConfig: { kind: { case: "boolValue", value: true } } }),
  });
  await controller().deploy({ spec: specOf("a", { version: "2", runtimeEnv: { envVars: { A: "1" } } }) });
  await controller().scale({ name: "a", numReplicas: 7 });
  await noteHealthy("a", [1, 2]);
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

test("a rollback needs a revision that is kept, and without a name one that was healthy", async () => {
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
  await noteHealthy("a", [1]);
  for (let version = 2; version <= 15; version++) await controller().deploy({ spec: specOf("a", { version: String(version) }) });
  const { revisions } = await controller().listRevisions({ name: "a" });
  expect(revisions.map(({ revision }) => Number(revision))).toEqual([15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 1]);
});
