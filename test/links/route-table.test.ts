import { afterEach, beforeEach, expect, test } from "vitest";
import { noContact, type ReplicaContact } from "../../src/links/replica-port.ts";
import { RouteTable } from "../../src/links/route-table.ts";
import { SimulatedCluster } from "../sim/simulated-cluster.ts";

let cluster: SimulatedCluster;
beforeEach(async () => {
  cluster = await SimulatedCluster.open();
});
afterEach(() => cluster.close());

const tableOf = (contact: () => ReplicaContact) => new RouteTable({ mirror: cluster.mirror, contact, reported: () => undefined });

test("where none is wanted, no replica is to be expected; while one starts or runs, one is", async () => {
  await cluster.deploy("none", 0);
  await cluster.deploy("one", 1);
  const table = tableOf(() => noContact);
  await cluster.mirror.catchUp();
  expect(table.get("none")?.noReplicaExpected).toBe("noneWanted");
  expect(table.get("one")?.noReplicaExpected).toBeUndefined();
});

test("a service is known by its deployment also while none of its replicas runs, and forgotten with it", async () => {
  await cluster.deploy("app", 1);
  await cluster.tick(0);
  await cluster.tick(1_000);
  await cluster.tick(1_000);
  await cluster.mirror.catchUp();
  let contact: ReplicaContact = { ...noContact, answer: "ready", routable: true, invocable: true, services: ["acme.EchoService"] };
  const table = tableOf(() => contact);
  expect(table.serving("acme.EchoService")).toEqual(["app"]);
  contact = noContact;
  table.changed("app");
  expect(table.get("app")?.endpoints).toEqual([]);
  expect(table.serving("acme.EchoService")).toEqual(["app"]);
  const entry = await cluster.store.get("deployment", "app");
  await cluster.store.commit([{ delete: "deployment", key: "app", version: entry?.version ?? 0 }]);
  await cluster.mirror.catchUp();
  table.changed("app");
  expect(table.serving("acme.EchoService")).toEqual([]);
});

test("after a reset, the routes of deployments that are gone are gone, and listeners hear of each", async () => {
  await cluster.deploy("gone", 1);
  await cluster.deploy("stays", 1);
  await cluster.mirror.catchUp();
  const table = tableOf(() => noContact);
  expect(table.all().map(({ deployment }) => deployment)).toEqual(["gone", "stays"]);
  const entry = await cluster.store.get("deployment", "gone");
  await cluster.store.commit([{ delete: "deployment", key: "gone", version: entry?.version ?? 0 }]);
  await cluster.mirror.catchUp();
  const heard: string[] = [];
  table.onChange((deployment) => heard.push(deployment));
  table.reset();
  expect(heard.toSorted()).toEqual(["gone", "stays"]);
  expect(table.get("gone")).toBeUndefined();
});
