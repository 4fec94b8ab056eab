// What GetCluster answers, over a store in memory and real gRPC; replicas are records.
import { afterEach, beforeEach, expect, test } from "vitest";
import type { ReplicaRecord } from "../../src/core/replica.ts";
import { pendingOf } from "../../src/loops/starter.ts";
import { putReplica } from "../../src/store/writes/replica-writes.ts";
import { type OpenedApi, openApi } from "./opened-api.ts";

let opened: OpenedApi;
beforeEach(async () => {
  opened = await openApi();
});
afterEach(() => opened.close());

async function replica(id: string, facts: Pick<ReplicaRecord, "state" | "createdAtMs">): Promise<void> {
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
