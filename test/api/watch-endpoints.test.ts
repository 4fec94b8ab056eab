import { afterEach, beforeEach, expect, test } from "vitest";
import type { WatchEndpointsResponse } from "../../gen/drover/v1/controller_service_pb.ts";
import type { ReplicaState } from "../../src/core/replica.ts";
import { failure } from "../replica/harness.ts";
import { type OpenedApi, openApi, specOf } from "./opened-api.ts";

let opened: OpenedApi;
beforeEach(async () => {
  opened = await openApi();
});
afterEach(() => opened.close());

async function putReplica(id: string, deployment: string, state: ReplicaState): Promise<void> {
  const entry = await opened.store.get("replica", id);
  const value = { id, deployment, state, address: `unix:/run/${id}.sock` } as never;
  await opened.store.commit([{ put: "replica", key: id, version: entry?.version ?? 0, value }]);
}

/** Reads a watch; `next` returns the next state of the deployment in which it has that many endpoints. */
function watching(names: readonly string[]) {
  const leave = new AbortController();
  const states = opened.controller.watchEndpoints({ names: [...names] }, { signal: leave.signal })[Symbol.asyncIterator]();
  const next = async (): Promise<WatchEndpointsResponse> => {
    const { value, done } = await states.next();
    if (done) throw new Error("the watch ended");
    return value;
  };
  const idsOf = ({ endpoints }: WatchEndpointsResponse) => endpoints.map(({ replicaId }) => replicaId);
  return { next, idsOf, leave: () => leave.abort() };
}

test("a watch has the state of each name at once, then each new state, and no state twice", async () => {
  const { controller } = opened;
  await controller.deploy({ spec: specOf("a", { maxOngoingRequests: 7 }) });
  await putReplica("a-1", "a", "RUNNING");
  await putReplica("a-2", "a", "STARTING");
  const watch = watching(["a", "none", "a"]);
  const first = await watch.next();
  expect(first).toMatchObject({ deployment: "a", exists: true, maxOngoingRequests: 7, maxMessageBytes: expect.any(BigInt) });
  expect(first.endpoints).toMatchObject([{ replicaId: "a-1", address: "unix:/run/a-1.sock", invocable: true }]);
  expect(await watch.next()).toMatchObject({ deployment: "none", exists: false, endpoints: [] });

  // A change that moves no request is not sent: the next state has the second replica.
  await putReplica("a-3", "a", "STARTING");
  await putReplica("a-2", "a", "RUNNING");
  expect(watch.idsOf(await watch.next())).toEqual(["a-1", "a-2"]);
  await putReplica("a-1", "a", "DRAINING");
  expect(watch.idsOf(await watch.next())).toEqual(["a-2"]);
  await controller.deploy({ spec: specOf("none") });
  expect(await watch.next()).toMatchObject({ deployment: "none", exists: true, endpoints: [] });
  watch.leave();
});

test("a watch ends when the controller stops, so that its caller watches again", async () => {
  const watch = watching(["a"]);
  await watch.next();
  const ended = failure(watch.next());
  opened.api.close();
  expect(await ended).toMatchObject({ reason: "SHUTTING_DOWN" });
});

test("a watch of no deployment is refused by field", async () => {
  expect(await failure(watching([]).next())).toMatchObject({ reason: "INVALID_FIELD", facts: { violations: [{ field: "names" }] } });
});
