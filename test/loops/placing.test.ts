// Where replicas are placed by the engine, and where an engine does not see every node.
import { expect, onTestFinished, test } from "vitest";
import type { ReplicaRecord } from "../../src/core/replica.ts";
import { assignment } from "../engine/assignment.ts";
import { until } from "../kit/until.ts";
import { SimulatedCluster } from "../sim/simulated-cluster.ts";

async function opened(slots?: Readonly<Record<string, number>>): Promise<SimulatedCluster> {
  const cluster = await SimulatedCluster.open(slots && { slots: new Map(Object.entries(slots)) });
  onTestFinished(() => cluster.close());
  return cluster;
}

async function ticks(cluster: SimulatedCluster, count: number): Promise<void> {
  for (let tick = 0; tick < count; tick++) await cluster.tick(1_000);
}

/** The records of replicas as they are. */
async function records(cluster: SimulatedCluster): Promise<readonly ReplicaRecord[]> {
  await cluster.mirror.catchUp();
  return [...cluster.mirror.replicas().values()].map(({ value }) => value).toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

async function only(cluster: SimulatedCluster, state: ReplicaRecord["state"]): Promise<ReplicaRecord> {
  const found = await cluster.replicas(state);
  expect(found).toHaveLength(1);
  return found[0] as ReplicaRecord;
}

test("core places by its ledger: the node is in the record before the start, the address once the engine reports it", async () => {
  const cluster = await opened();
  const room = cluster.engine.room();
  const started: (ReplicaRecord | undefined)[] = [];
  const start = cluster.engine.start.bind(cluster.engine);
  cluster.engine.start = async (assignment) => {
    started.push((await cluster.store.get("replica", assignment.replicaId))?.value);
    await start(assignment);
  };
  await cluster.deploy("app", 1);
  await ticks(cluster, 5);
  const running = await only(cluster, "RUNNING");
  expect(started).toMatchObject([{ state: "STARTING", node: room.kind === "ledger" && room.node, token: running.token }]);
  expect(started[0]).not.toHaveProperty("address");
  expect(running.token).not.toBe("");
  expect(running.address).toBe(cluster.engine.find(running.id)?.address);
});

test("a replica on a node that the engine does not see is left as it is, however long, and what became of it counts once it is seen", async () => {
  const cluster = await opened({ "node-1": 2, "node-2": 2 });
  await cluster.deploy("app", 4);
  await ticks(cluster, 5);
  const before = await records(cluster);
  expect(before.map(({ state }) => state)).toEqual(["RUNNING", "RUNNING", "RUNNING", "RUNNING"]);
  const hidden = before.filter(({ node }) => node === "node-2");
  expect(hidden).toHaveLength(2);
  cluster.engine.hide("node-2");
  const [lost] = hidden;
  cluster.engine.end(lost?.id ?? "", { kind: "exit", code: 1 });
  await ticks(cluster, 200);
  expect(await records(cluster)).toEqual(before);
  expect((await cluster.engine.list()).replicas).toHaveLength(2);
  cluster.engine.show("node-2");
  await ticks(cluster, 10);
  expect(await only(cluster, "FAILED")).toMatchObject({ id: lost?.id });
  expect(await cluster.replicas("RUNNING")).toHaveLength(4);
});

test("a replica on a node of another engine is neither failed nor killed, takes nothing of this node, and is not started twice", async () => {
  const cluster = await opened();
  await cluster.deploy("app", 2);
  await ticks(cluster, 5);
  const [first] = await cluster.store.list("replica", { limit: 1 }).then(({ entries }) => entries);
  if (first === undefined) throw new Error("nothing runs");
  // As another controller, which led before, would have written it.
  const elsewhere = {
    ...first.value,
    id: "app-other",
    node: "another machine",
    resources: { ...first.value.resources, cpuMilli: 2 ** 30 },
  };
  await cluster.store.commit([{ put: "replica", key: elsewhere.id, version: 0, value: elsewhere }]);
  await cluster.deploy("app", 4);
  await ticks(cluster, 100);
  const running = await cluster.replicas("RUNNING");
  expect(running).toHaveLength(4);
  expect(running).toContainEqual(elsewhere);
  expect(await cluster.replicas("FAILED")).toEqual([]);
  expect(cluster.engine.find(elsewhere.id)).toBeUndefined();
  // It ends only when an engine that sees it stops it.
  await cluster.deploy("app", 0);
  await ticks(cluster, 100);
  expect(await cluster.replicas("DRAINING")).toMatchObject([{ id: elsewhere.id }]);
});

test("where the engine places, a replica is handed over at once, and is PENDING with the engine's reason until it has a node", async () => {
  const cluster = await opened({ "node-1": 2 });
  await cluster.deploy("app", 3);
  await ticks(cluster, 5);
  expect(await cluster.replicas("RUNNING")).toMatchObject([{ node: "node-1" }, { node: "node-1" }]);
  const waiting = await only(cluster, "PENDING");
  expect(waiting.token).not.toBe("");
  expect(waiting.node).toBeUndefined();
  expect(waiting.waits).toEqual({ kind: "engine", reason: cluster.engine.find(waiting.id)?.unplaced });
  expect(cluster.engine.find(waiting.id)).toMatchObject({ state: "waiting", token: waiting.token });
  const [served] = await cluster.replicas("RUNNING");
  cluster.engine.end(served?.id ?? "", { kind: "exit", code: 1 });
  await ticks(cluster, 3);
  const running = await cluster.replicas("RUNNING");
  const placed = running.find(({ id }) => id === waiting.id);
  expect([placed?.node, placed?.token, placed?.waits]).toEqual(["node-1", waiting.token, undefined]);
  expect(placed?.address).toBe(cluster.engine.find(waiting.id)?.address);
});

test("a replica that waits with the engine is taken back when it is not wanted any more", async () => {
  const cluster = await opened({ "node-1": 2 });
  await cluster.deploy("app", 3);
  await ticks(cluster, 5);
  const waiting = await only(cluster, "PENDING");
  await cluster.deploy("app", 2);
  await ticks(cluster, 5);
  expect(await only(cluster, "STOPPED")).toMatchObject({ id: waiting.id });
  expect(cluster.engine.find(waiting.id)).toMatchObject({ state: "exited" });
  expect(await cluster.replicas("RUNNING")).toHaveLength(2);
});

test("a replica whose controller died before it handed it over is handed over by the next one, under the token in its record, and only once", async () => {
  const cluster = await opened({ "node-1": 2 });
  const start = cluster.engine.start.bind(cluster.engine);
  cluster.engine.start = () => new Promise(() => {});
  await cluster.deploy("app", 1);
  void cluster.tick(0);
  await until(async () => ((await records(cluster))[0]?.token ?? "") !== "");
  const asked = await only(cluster, "PENDING");
  let starts = 0;
  cluster.engine.start = (assignment) => {
    starts += 1;
    return start(assignment);
  };
  await ticks(cluster, 5);
  expect(starts).toBe(1);
  expect(await only(cluster, "RUNNING")).toMatchObject({ id: asked.id, token: asked.token });
});

test("a replica that the engine refuses has failed, and another is tried", async () => {
  const cluster = await opened({ "node-1": 1 });
  cluster.engine.failStarts("the quota is used up");
  await cluster.deploy("app", 1);
  await ticks(cluster, 3);
  expect((await only(cluster, "FAILED")).failure?.cause).toMatchObject({ ending: { kind: "failedToStart", why: "the quota is used up" } });
  cluster.engine.failStarts("");
  await ticks(cluster, 10);
  expect(await cluster.replicas("RUNNING")).toHaveLength(1);
});

test("a replica that waits with the engine, and that the store has lost, is taken back as it waits", async () => {
  const cluster = await opened({ "node-1": 1 });
  await cluster.deploy("app", 2);
  await ticks(cluster, 5);
  const waiting = await only(cluster, "PENDING");
  const entry = await cluster.store.get("replica", waiting.id);
  await cluster.store.commit([{ delete: "replica", key: waiting.id, version: entry?.version ?? 0 }]);
  await ticks(cluster, 3);
  expect(await only(cluster, "PENDING")).toMatchObject({ id: waiting.id, token: waiting.token, waits: waiting.waits });
});

test("where nothing new finds room with the engine, an old replica goes first, and the rollout comes to its end", async () => {
  const cluster = await opened({ "node-1": 2 });
  await cluster.deploy("app", 2);
  await ticks(cluster, 5);
  await cluster.deploy("app", 2, 2);
  for (let tick = 0; tick < 60; tick++) {
    await ticks(cluster, 1);
    expect((await cluster.replicas("RUNNING")).length).toBeGreaterThanOrEqual(1);
  }
  expect((await cluster.replicas("RUNNING")).map(({ revision }) => revision)).toEqual([2, 2]);
});

test("an engine's replica of no deployment is ended also while it waits", async () => {
  const cluster = await opened({ "node-1": 0 });
  await cluster.engine.start(assignment("ghost-1", ["app"], { deployment: "ghost" }));
  await ticks(cluster, 40);
  expect((await cluster.engine.list()).replicas).toEqual([]);
});
