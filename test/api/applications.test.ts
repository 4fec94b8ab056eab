// Applications: Apply and lists within one, over a store in memory and real gRPC.
import { afterEach, beforeEach, expect, test } from "vitest";
import { Effect } from "../../gen/drover/v1/controller_service_pb.ts";
import { DeploymentState } from "../../gen/drover/v1/deployment_pb.ts";
import { type OpenedApi, openApi, recordOf, specOf } from "./opened-api.ts";

let opened: OpenedApi;

beforeEach(async () => {
  opened = await openApi();
});
afterEach(() => opened.close());

const controller = () => opened.controller;

/** The deployments of an application (empty: all), with their applications; `-`: it is being deleted. */
async function all(application = ""): Promise<readonly string[]> {
  const { deployments } = await controller().listDeployments({ application });
  return deployments.map(
    ({ spec, status }) => `${status?.state === DeploymentState.DELETING ? "-" : ""}${spec?.name}:${spec?.application}`,
  );
}

test("each spec gets the application of the request, and a list may hold one application only", async () => {
  await controller().apply({ application: "one", specs: [specOf("a"), specOf("b", { application: "one" })] });
  await controller().apply({ application: "two", specs: [specOf("c")] });
  await controller().deploy({ spec: specOf("d") });
  await controller().deploy({ spec: specOf("e", { application: "two" }) });
  expect(await all()).toEqual(["a:one", "b:one", "c:two", "d:", "e:two"]);
  expect(await all("two")).toEqual(["c:two", "e:two"]);
  expect(await all("none-such")).toEqual([]);
  const first = await controller().listDeployments({ application: "two", pageSize: 1 });
  const second = await controller().listDeployments({ application: "two", pageSize: 1, pageToken: first.nextPageToken });
  expect([...first.deployments, ...second.deployments].map(({ spec }) => spec?.name)).toEqual(["c", "e"]);
  expect(second.nextPageToken).toBe("");
});

test("prune stays within the application", async () => {
  await controller().apply({ application: "one", specs: ["a", "b", "c"].map((name) => specOf(name)) });
  await controller().apply({ application: "two", specs: [specOf("d")] });
  await controller().deploy({ spec: specOf("e") });
  expect((await controller().apply({ application: "one", specs: [specOf("b")], prune: true })).pruned).toEqual(["a", "c"]);
  expect(await all()).toEqual(["-a:one", "b:one", "-c:one", "d:two", "e:"]);
});

test("no specs with application and prune delete the application, and only that", async () => {
  await controller().apply({ application: "one", specs: [specOf("a"), specOf("b")] });
  await controller().deploy({ spec: specOf("c") });
  const request = { application: "one", prune: true };
  expect((await controller().apply({ ...request, validateOnly: true })).pruned).toEqual(["a", "b"]);
  expect(await all()).toEqual(["a:one", "b:one", "c:"]);
  expect(await controller().apply(request)).toMatchObject({ results: [], pruned: ["a", "b"] });
  expect(await all()).toEqual(["-a:one", "-b:one", "c:"]);
  for (const bare of [{ application: "one" }, { prune: true }, {}])
    await expect(controller().apply(bare)).rejects.toMatchObject({ code: "INVALID_ARGUMENT", facts: { violations: [{ field: "specs" }] } });
});

test("a deployment of another application is refused by field and name, and nothing is written", async () => {
  await controller().apply({ application: "one", specs: [specOf("a")] });
  const refused = controller().apply({ application: "two", specs: [specOf("b"), specOf("a")], prune: true });
  await expect(refused).rejects.toMatchObject({
    code: "FAILED_PRECONDITION",
    reason: "OTHER_APPLICATION",
    facts: { metadata: { deployment: "a", application: "one" }, violations: [{ field: "specs[1].name" }] },
  });
  expect(await all()).toEqual(["a:one"]);
});

test("a name that another application gives up is waited for, not refused", async () => {
  await controller().apply({ application: "one", specs: [specOf("a")] });
  await controller().deleteDeployment({ name: "a" });
  await expect(controller().apply({ application: "two", specs: [specOf("a")] })).rejects.toMatchObject({
    reason: "DEPLOYMENT_DELETING",
    facts: { retryAfterMs: expect.any(Number) },
  });
});

test("a deployment joins, changes and leaves an application while its replicas go on", async () => {
  await controller().deploy({ spec: specOf("a") });
  const joined = await controller().apply({ application: "one", specs: [specOf("a")] });
  const change = { field: "application", effect: Effect.LIVE, before: '""', after: '"one"' };
  expect(joined.results).toMatchObject([{ effect: Effect.LIVE, changes: [change] }]);
  expect((await controller().deploy({ spec: specOf("a", { application: "two" }) })).effect).toBe(Effect.LIVE);
  expect(await all("two")).toEqual(["a:two"]);
  await controller().deploy({ spec: specOf("a") });
  expect(await recordOf(opened.store, "a")).toMatchObject({ generation: 4, revision: 1 });
  expect(await all()).toEqual(["a:"]);
});

test("a spec that names another application than the request, and a malformed name, are refused", async () => {
  const refused = controller().apply({
    application: "one",
    specs: [specOf("a", { application: "one" }), specOf("b", { application: "two" })],
  });
  await expect(refused).rejects.toMatchObject({ code: "INVALID_ARGUMENT", facts: { violations: [{ field: "specs[1].application" }] } });
  const malformed = controller().apply({ application: "One!", specs: [specOf("a")] });
  await expect(malformed).rejects.toMatchObject({ facts: { violations: [{ field: "application" }] } });
  expect(await all()).toEqual([]);
});
