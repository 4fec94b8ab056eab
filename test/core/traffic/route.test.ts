import { expect, test } from "vitest";
import { firstRecord } from "../../../src/core/generations.ts";
import type { ReplicaRecord } from "../../../src/core/replica.ts";
import { routeOf } from "../../../src/core/traffic/route.ts";
import { replicaRecord, spec } from "../../kit/records.ts";

const deployment = firstRecord(spec, "u", 0);
const replica = (id: string, more: Partial<ReplicaRecord>): ReplicaRecord => ({
  ...replicaRecord(id, "app"),
  address: `unix:/${id}`,
  ...more,
});

/** The route to these replicas, of which those in `silent` say nothing. */
function routeTo(replicas: readonly ReplicaRecord[], silent: readonly string[], maxMessageBytes?: number) {
  const contact = (id: string) => ({ routable: !silent.includes(id), silent: silent.includes(id), invocable: true, services: [] });
  const own = maxMessageBytes === undefined ? deployment : firstRecord({ ...spec, maxMessageBytes }, "u", 0);
  return routeOf({ deployment: own, progress: undefined, replicas, contact, servicesBefore: [], messageBytesMax: 2 ** 26 });
}

test("the largest message is the deployment's own bound, and never more than the controller's", () => {
  const bounds = [undefined, 2 ** 16, 2 ** 26, 2 ** 30].map((own) => routeTo([], [], own).messageBytesMax);
  expect(bounds).toEqual([2 ** 26, 2 ** 16, 2 ** 26, 2 ** 26]);
});

test("a silent replica gets no requests, and those it has in work are not lost yet", () => {
  const { endpoints, givenUp } = routeTo([replica("a", { state: "RUNNING" }), replica("b", { state: "RUNNING" })], ["a"]);
  expect(endpoints.map(({ replicaId }) => replicaId)).toEqual(["b"]);
  expect(givenUp).toBeUndefined();
});

test("a silent replica that is replaced because it does not work is given up; one that answers, or only leaves, is not", () => {
  const replicas = [
    replica("silent", { state: "DRAINING", departure: { kind: "failing" } }),
    replica("answers", { state: "DRAINING", departure: { kind: "failing" } }),
    replica("leaves", { state: "DRAINING", departure: { kind: "scaledDown" } }),
  ];
  expect(routeTo(replicas, ["silent", "leaves"]).givenUp).toEqual(["silent"]);
});
