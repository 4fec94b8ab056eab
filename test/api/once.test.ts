// Goal: every call that writes has one effect for each request id, and writes only what it was
// meant to write. Method: real gRPC over a store in memory; a second API over the same store stands
// for a controller that was started again.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ControllerService } from "../../gen/drover/v1/controller_service_pb.ts";
import type { Client } from "../../src/rpc/service.ts";
import { eraseWrites } from "../../src/store/writes/erase-writes.ts";
import { noteHealthy, type OpenedApi, openApi, recordOf, specOf } from "./opened-api.ts";

let opened: OpenedApi;
let restarted: OpenedApi;

beforeEach(async () => {
  opened = await openApi();
  restarted = await openApi(opened.store);
  await opened.controller.deploy({ spec: specOf("a", { version: "1" }) });
  await opened.controller.deploy({ spec: specOf("a", { version: "2" }) });
  await noteHealthy(opened.store, "a", [1, 2]);
});
afterEach(async () => {
  await restarted.close();
  await opened.close();
});

type Controller = Client<typeof ControllerService>;
/** What every request that writes one deployment has. */
interface Common {
  readonly requestId?: string;
  readonly expectedGeneration?: bigint;
  readonly uid?: string;
}

/** Each write of one deployment, with another write of different content. */
const writes = {
  deploy: (api: Controller, common: Common, other: boolean) => api.deploy({ spec: specOf("a", { version: other ? "9" : "3" }), ...common }),
  scale: (api: Controller, common: Common, other: boolean) => api.scale({ name: "a", numReplicas: other ? 9 : 3, ...common }),
  rollback: (api: Controller, common: Common, other: boolean) => api.rollback({ name: "a", ...(other ? { revision: 1n } : {}), ...common }),
  pauseRollout: (api: Controller, common: Common, other: boolean) => api.pauseRollout({ name: other ? "b" : "a", ...common }),
  resumeRollout: (api: Controller, common: Common, other: boolean) => api.resumeRollout({ name: other ? "b" : "a", ...common }),
  deleteDeployment: (api: Controller, common: Common, other: boolean) =>
    api.deleteDeployment({ name: "a", allowMissing: other, ...common }),
  reconfigure: (api: Controller, common: Common, other: boolean) =>
    api.reconfigure({ name: "a", userConfig: { kind: { case: "numberValue", value: other ? 9 : 3 } }, validateOnly: false, ...common }),
};
type Method = keyof typeof writes;
/** Those that need no loop to end. */
const alone = (Object.keys(writes) as Method[]).filter((method) => method !== "reconfigure");

describe.each(alone)("%s", (method) => {
  const call = writes[method];

  test("asked again under its id has no second effect, and its first answer, at every controller", async () => {
    const first = await call(opened.controller, { requestId: "once" }, false);
    const position = await opened.store.position();
    expect(await call(opened.controller, { requestId: "once" }, false)).toEqual(first);
    expect(await call(restarted.controller, { requestId: "once" }, false)).toEqual(first);
    expect(await opened.store.position()).toBe(position);
  });

  test("with another content under a known id is refused by name", async () => {
    await call(opened.controller, { requestId: "once" }, false);
    const position = await opened.store.position();
    await expect(call(restarted.controller, { requestId: "once" }, true)).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "REQUEST_ID_REUSED",
    });
    expect(await opened.store.position()).toBe(position);
  });

  test("asked again after others wrote gets its first answer, whatever generation it expects", async () => {
    const common = { requestId: "once", expectedGeneration: 2n };
    const first = await call(opened.controller, common, false);
    if (method !== "deleteDeployment") await opened.controller.scale({ name: "a", numReplicas: 8 });
    expect(await call(opened.controller, common, false)).toEqual(first);
  });
});

describe.each(Object.keys(writes) as Method[])("%s", (method) => {
  const call = writes[method];

  test("writes only the generation that it expects", async () => {
    const position = await opened.store.position();
    const stale = call(opened.controller, { expectedGeneration: 1n }, false);
    await expect(stale).rejects.toMatchObject({ code: "ABORTED", reason: "CONFLICT", facts: { metadata: { generation: "2" } } });
    expect(await opened.store.position()).toBe(position);
  });

  test("does not touch a later deployment of the same name", async () => {
    const { uid } = await recordOf(opened.store, "a");
    await opened.mirror.catchUp();
    await opened.store.commit(eraseWrites(opened.mirror, "a"));
    await opened.controller.deploy({ spec: specOf("a") });
    const position = await opened.store.position();
    const late = call(opened.controller, { uid }, false);
    await expect(late).rejects.toMatchObject({ code: "ABORTED", reason: "CONFLICT" });
    expect(await opened.store.position()).toBe(position);
  });
});

test("a retried rollback without a revision does not go forward again", async () => {
  const revisions: (bigint | undefined)[] = [];
  for (const { controller } of [opened, opened, restarted]) {
    const { deployment } = await controller.rollback({ name: "a", requestId: "back" });
    revisions.push(deployment?.status?.revision);
  }
  expect(revisions).toEqual([1n, 1n, 1n]);
  expect((await recordOf(opened.store, "a")).revision).toBe(1);
  // Another request goes back from there.
  expect((await opened.controller.rollback({ name: "a", requestId: "again" })).deployment?.status?.revision).toBe(2n);
});

test("of many retries of a rollback at the same time, one has an effect", async () => {
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, index) => (index % 2 ? opened : restarted).controller.rollback({ name: "a", requestId: "back" })),
  );
  expect(new Set(answers.map(({ deployment }) => deployment?.status?.revision))).toEqual(new Set([1n]));
  expect(await recordOf(opened.store, "a")).toMatchObject({ revision: 1, generation: 3 });
});

test("a deletion of an earlier deployment that is gone succeeds where it may be missing, and leaves the later one", async () => {
  const answer = await opened.controller.deleteDeployment({ name: "a", uid: "of-an-earlier-one", allowMissing: true });
  expect(answer.deployment).toBeUndefined();
  expect((await recordOf(opened.store, "a")).deletingSinceMs).toBeUndefined();
});

test("an apply writes nothing where one spec is not at the generation that it expects", async () => {
  const specs = [specOf("a", { version: "3" }), specOf("b")];
  const apply = (a: bigint, b: bigint) => opened.controller.apply({ specs, expectedGenerations: { a, b } });
  const position = await opened.store.position();
  await expect(apply(2n, 1n)).rejects.toMatchObject({ code: "ABORTED", facts: { metadata: { deployment: "b", generation: "0" } } });
  await expect(apply(1n, 0n)).rejects.toMatchObject({ code: "ABORTED", facts: { metadata: { deployment: "a", generation: "2" } } });
  expect(await opened.store.position()).toBe(position);
  expect((await apply(2n, 0n)).results).toHaveLength(2);
  const strange = opened.controller.apply({ specs, expectedGenerations: { c: 1n } });
  await expect(strange).rejects.toMatchObject({ facts: { violations: [{ field: 'expected_generations["c"]' }] } });
});

test("what is only validated leaves no trace of its request id", async () => {
  const request = { spec: specOf("a", { version: "3" }), requestId: "once" };
  await opened.controller.deploy({ ...request, validateOnly: true });
  expect((await opened.controller.deploy(request)).deployment?.status?.generation).toBe(3n);
});
