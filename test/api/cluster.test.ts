// What GetCluster answers, over a store in memory and real gRPC; replicas are records.
import { afterEach, beforeEach, expect, test } from "vitest";
import { StoreTroubleKind, StoreTroubleKindSchema } from "../../gen/drover/v1/facts_pb.ts";
import { storeTroubleToMessage } from "../../src/api/convert-facts.ts";
import type { ReplicaRecord } from "../../src/core/replica.ts";
import { pendingOf } from "../../src/loops/starter.ts";
import { putReplica } from "../../src/store/writes/replica-writes.ts";
import { type OpenedApi, openApi } from "./opened-api.ts";

let opened: OpenedApi;
beforeEach(async () => {
  opened = await openApi();
});
afterEach(() => opened.close());

async function replica(id: string, facts: Pick<ReplicaRecord, "state" | "createdAtMs" | "node">): Promise<void> {
  const resources = { cpuMilli: 500, gpuMilli: 0, memoryBytes: 0 };
  const rest = { deployment: "a", uid: "a", revision: 1, resources, gpuIndexes: [], token: "", sinceMs: 0 };
  await opened.store.commit([putReplica({ id, ...rest, ...facts }, 0)]);
}

test("pending replicas are listed in the order in which the placement serves them", async () => {
  await replica("c", { state: "PENDING", createdAtMs: 2 });
  await replica("d", { state: "PENDING", createdAtMs: 1 });
  await replica("b", { state: "PENDING", createdAtMs: 2 });
  const { pending } = await opened.controller.getCluster({});
  expect(pending.map(({ replicaId }) => replicaId)).toEqual(["d", "b", "c"]);
  expect(pendingOf(opened.mirror).map(({ key }) => key)).toEqual(["d", "b", "c"]);
});

test("what is allocated is what replicas hold by their recorded states", async () => {
  for (const state of ["PENDING", "STARTING", "RUNNING", "DRAINING", "STOPPED", "FAILED"] as const)
    await replica(state, { state, createdAtMs: 0 });
  expect((await opened.controller.getCluster({})).allocated?.numCpus).toBe(1.5);
});

test("while the store is away or empty, the answer says which, with what was known last", async () => {
  await replica("a", { state: "RUNNING", createdAtMs: 0 });
  expect((await opened.controller.getCluster({})).storeTrouble).toBeUndefined();
  opened.store.setFault("unavailable");
  const away = await opened.controller.getCluster({});
  expect(away).toMatchObject({ storeTrouble: { kind: StoreTroubleKind.AWAY }, allocated: { numCpus: 0.5 }, controllers: [] });
  opened.store.setFault("none");
  opened.store.empty();
  expect((await opened.controller.getCluster({})).storeTrouble?.kind).toBe(StoreTroubleKind.EMPTY);
  const refused = opened.controller.pauseRollout({ name: "a" });
  await expect(refused).rejects.toMatchObject({ code: "UNAVAILABLE", reason: "STORE_UNAVAILABLE" });
});

test("each kind of trouble is in the API", () => {
  const inProto = StoreTroubleKindSchema.values.map(({ name }) => name).filter((name) => !name.endsWith("_UNSPECIFIED"));
  const converted = (
    [
      "away",
      "empty",
      "passwordMissing",
      "passwordWrong",
      "notPermitted",
      "diskFailing",
      "memoryFull",
      "readOnly",
      "loading",
      "refusing",
    ] as const
  ).map((kind) => storeTroubleToMessage({ kind }).kind);
  expect(new Set(converted).size).toBe(inProto.length);
});

test("replicas on a node that this controller does not see are counted by node", async () => {
  await replica("a", { state: "RUNNING", createdAtMs: 0, node: "here" });
  await replica("b", { state: "RUNNING", createdAtMs: 0, node: "there" });
  await replica("c", { state: "FAILED", createdAtMs: 0, node: "there" });
  expect((await opened.controller.getCluster({})).unseenNodes).toMatchObject([{ node: "there", replicas: 1 }]);
});
