// Apply over a store in memory and real gRPC.
import { afterEach, beforeEach, expect, test } from "vitest";
import { Effect } from "../../gen/drover/v1/controller_service_pb.ts";
import { DeploymentState } from "../../gen/drover/v1/deployment_pb.ts";
import { type OpenedApi, openApi, specOf } from "./opened-api.ts";

let opened: OpenedApi;

beforeEach(async () => {
  opened = await openApi();
});
afterEach(() => opened.close());

const controller = () => opened.controller;

/** Each deployment with its generation; `-`: it is being deleted. */
async function all(): Promise<readonly string[]> {
  const { deployments } = await controller().listDeployments({});
  return deployments.map(
    ({ spec, status }) => `${status?.state === DeploymentState.DELETING ? "-" : ""}${spec?.name}@${status?.generation}`,
  );
}

test("all specs are deployed, each with what its change costs, in the order they were given", async () => {
  await controller().deploy({ spec: specOf("b") });
  const { results, pruned } = await controller().apply({
    specs: [specOf("c"), specOf("b", { numReplicas: 2 }), specOf("a", { version: "" })],
  });
  expect(results.map(({ deployment, effect, changes }) => [deployment?.spec?.name, effect, changes.map(({ field }) => field)])).toEqual([
    ["c", Effect.ROLLOUT, []],
    ["b", Effect.LIVE, ["num_replicas"]],
    ["a", Effect.ROLLOUT, []],
  ]);
  expect(pruned).toEqual([]);
  expect(await all()).toEqual(["a@1", "b@2", "c@1"]);
  expect((await controller().listRevisions({ name: "a" })).revisions).toHaveLength(1);
});

test("a spec that is as it was makes no write", async () => {
  await controller().apply({ specs: [specOf("a"), specOf("b")] });
  const position = await opened.store.position();
  const { results } = await controller().apply({ specs: [specOf("b"), specOf("a")] });
  expect(results.map(({ effect }) => effect)).toEqual([Effect.NONE, Effect.NONE]);
  expect(await opened.store.position()).toBe(position);
});

test("where one deployment is being deleted, none is written", async () => {
  await controller().deploy({ spec: specOf("b") });
  await controller().deleteDeployment({ name: "b" });
  const refused = controller().apply({ specs: [specOf("a"), specOf("b")], prune: true });
  await expect(refused).rejects.toMatchObject({
    code: "FAILED_PRECONDITION",
    reason: "DEPLOYMENT_DELETING",
    facts: { metadata: { deployment: "b" } },
  });
  expect(await all()).toEqual(["-b@2"]);
});

test("every wrong field of every spec is named in one answer, and nothing is written", async () => {
  const notJson = { kind: { case: "numberValue" as const, value: Number.NaN } };
  const refused = controller().apply({
    specs: [
      specOf("a", { resources: { numCpus: -1 } }),
      specOf("B", { userConfig: notJson }),
      specOf("a", {
        autoscalingConfig: { schedules: [{ cron: "never", minReplicas: 1, duration: { seconds: 60n } }] },
        rollout: { maxSurgePercent: 101 },
      }),
      { name: "c" },
    ],
  });
  const error = (await refused.catch((cause: unknown) => cause)) as { facts: { violations: { field: string; description: string }[] } };
  expect(error).toMatchObject({ code: "INVALID_ARGUMENT", reason: "INVALID_FIELD" });
  expect(error.facts.violations.map(({ field }) => field).sort()).toEqual([
    "specs[0].resources.num_cpus",
    "specs[1].name",
    "specs[1].user_config",
    "specs[2].autoscaling_config.schedules[0].cron",
    "specs[2].name",
    "specs[2].rollout.max_surge_percent",
    "specs[3].program",
  ]);
  expect(error.facts.violations).toContainEqual({ field: "specs[2].name", description: 'must differ from the name of specs[0] (got "a")' });
  expect(await all()).toEqual([]);
});

test("no specs, and more than 500, are refused", async () => {
  const many = Array.from({ length: 501 }, (_, index) => specOf(`a${index}`));
  for (const specs of [[], many])
    await expect(controller().apply({ specs, prune: true })).rejects.toMatchObject({ facts: { violations: [{ field: "specs" }] } });
  const { results } = await controller().apply({ specs: many.slice(1) });
  expect(results).toHaveLength(500);
});

test("prune deletes what is not among the specs, and reports each name once", async () => {
  await controller().apply({ specs: ["d", "c", "b", "a"].map((name) => specOf(name)) });
  await controller().deleteDeployment({ name: "c" });
  expect((await controller().apply({ specs: [specOf("b")], prune: true })).pruned).toEqual(["a", "d"]);
  expect(await all()).toEqual(["-a@2", "b@1", "-c@2", "-d@2"]);
  expect((await controller().apply({ specs: [specOf("b")], prune: true })).pruned).toEqual([]);
});

test("validate_only reports what would change, pruned deployments too, and changes nothing", async () => {
  await controller().apply({ specs: [specOf("a"), specOf("b")] });
  const position = await opened.store.position();
  const { results, pruned } = await controller().apply({
    specs: [specOf("c"), specOf("b", { version: "2" })],
    prune: true,
    validateOnly: true,
  });
  expect(results.map(({ effect, deployment }) => [effect, deployment?.status?.generation])).toEqual([
    [Effect.ROLLOUT, 1n],
    [Effect.ROLLOUT, 2n],
  ]);
  expect(pruned).toEqual(["a"]);
  expect(await opened.store.position()).toBe(position);
});

test("of many retries of one request, one has an effect and all get its answer; another request may not have its id", async () => {
  await controller().deploy({ spec: specOf("z") });
  const request = { specs: [specOf("a", { version: "" }), specOf("b", { version: "" })], prune: true, requestId: "same" };
  const answers = await Promise.all(Array.from({ length: 30 }, () => controller().apply(request)));
  expect(answers.every((answer) => answer.pruned.join() === "z" && answer.results.length === 2)).toBe(true);
  expect(new Set(answers.map(({ results }) => results[0]?.deployment?.uid)).size).toBe(1);
  expect(await all()).toEqual(["a@1", "b@1", "-z@2"]);
  await expect(controller().apply({ ...request, prune: false })).rejects.toMatchObject({ reason: "REQUEST_ID_REUSED" });
  await expect(controller().deploy({ spec: specOf("a"), requestId: "same" })).rejects.toMatchObject({ reason: "REQUEST_ID_REUSED" });
});

test("of changes by many at once, each is whole or was refused", async () => {
  const results = await Promise.allSettled(
    Array.from({ length: 10 }, (_, index) =>
      controller().apply({ specs: ["a", "b", "c"].map((name) => specOf(name, { version: String(index) })) }),
    ),
  );
  for (const result of results)
    if (result.status === "rejected") expect(result.reason).toMatchObject({ code: "ABORTED", reason: "CONFLICT" });
  const done = results.filter(({ status }) => status === "fulfilled").length;
  expect(await all()).toEqual(["a", "b", "c"].map((name) => `${name}@${done}`));
  const { deployments } = await controller().listDeployments({});
  expect(new Set(deployments.map(({ spec }) => spec?.version)).size).toBe(1);
});

test("while the store is away nothing is applied, and the error has a retry delay", async () => {
  opened.store.setFault("unavailable");
  const refused = controller().apply({ specs: [specOf("a")], prune: true });
  await expect(refused).rejects.toMatchObject({ code: "UNAVAILABLE", reason: "STORE_UNAVAILABLE" });
  opened.store.setFault("none");
  expect(await all()).toEqual([]);
});
