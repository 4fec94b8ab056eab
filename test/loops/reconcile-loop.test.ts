import { afterEach, beforeEach, expect, test } from "vitest";
import type { DeploymentRecord } from "../../src/core/deployment.ts";
import { changing } from "../../src/core/generations.ts";
import { silentLog } from "../../src/log/log.ts";
import { LeaseKeeper, leaseMs } from "../../src/loops/lease-keeper.ts";
import { strayGraceMs } from "../../src/loops/strays.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import { type CommitResult, noContent } from "../../src/store/store.ts";
import { assignment } from "../engine/assignment.ts";
import { HandClock } from "../kit/hand-clock.ts";
import { until } from "../kit/until.ts";
import { SimulatedCluster } from "../sim/simulated-cluster.ts";

let cluster: SimulatedCluster;
beforeEach(async () => {
  cluster = await SimulatedCluster.open();
});
afterEach(() => cluster.close());

const ids = async () => (await cluster.replicas("RUNNING")).map(({ id }) => id).sort();
const processes = async () => (await cluster.engine.list()).replicas;
async function ticks(count: number): Promise<void> {
  for (let tick = 0; tick < count; tick++) await cluster.tick(1_000);
}

test("a process that the store has lost is taken back as it runs", async () => {
  await cluster.deploy("app", 3);
  await ticks(5);
  const before = await ids();
  expect(before).toHaveLength(3);
  const [lost = ""] = before;
  const entry = await cluster.store.get("replica", lost);
  await cluster.store.commit([{ delete: "replica", key: lost, version: entry?.version ?? 0 }]);
  await ticks(5);
  expect(await ids()).toEqual(before);
  expect(await processes()).toHaveLength(3);
});

test("a process of no deployment is stopped, but not before it had time to be adopted", async () => {
  await cluster.engine.start(assignment("ghost-1", ["x"], { deployment: "ghost" }));
  await cluster.tick(0);
  await cluster.tick(strayGraceMs - 1);
  const [ghost] = await processes();
  expect([ghost?.state, ghost?.terminatedAtMs]).toEqual(["alive", undefined]);
  await cluster.tick(1);
  await ticks(2);
  expect(await processes()).toEqual([]);
});

test("nothing is stopped or started while the store is away", async () => {
  await cluster.deploy("app", 2);
  await ticks(5);
  await cluster.deploy("app", 5);
  const before = await processes();
  cluster.store.setFault("unavailable");
  await expect(cluster.tick(1_000)).rejects.toMatchObject({ reason: "STORE_UNAVAILABLE" });
  expect(await processes()).toEqual(before);
  cluster.store.setFault("none");
  await ticks(5);
  expect(await ids()).toHaveLength(5);
});

test("a failed start shows why, and holds its resources no longer", async () => {
  cluster.engine.failStarts("program app was not found");
  await cluster.deploy("app", 1);
  await ticks(3);
  const [failed] = await cluster.replicas("FAILED");
  expect(failed?.failure?.cause).toMatchObject({ kind: "ended", ending: { kind: "failedToStart", why: "program app was not found" } });
  cluster.engine.failStarts("");
  await ticks(10);
  expect(await ids()).toHaveLength(1);
});

test("a write under a lost lease is refused, and no deed follows it", async () => {
  await cluster.deploy("app", 1);
  cluster.clock.pass(2 ** 41);
  const taken = await cluster.store.acquireLease("other", 60_000);
  expect(taken.held).toBe(true);
  await ticks(3);
  expect(await processes()).toEqual([]);
});

const content = () => noContent;

test("a new leader acts only once it knows what was written before", async () => {
  const clock = new HandClock();
  const store = new MemoryStore({ clock });
  const known = Promise.withResolvers<void>();
  let tries = 0;
  const catchUp = () => (tries++ === 0 ? Promise.reject(new Error("the store is away")) : known.promise);
  const end = new AbortController();
  const keeper = new LeaseKeeper({ store, id: "late", catchUp, content, clock, log: silentLog });
  const done = keeper.run(end.signal);
  await until(() => {
    clock.pass(500);
    return tries === 2;
  });
  const { leader } = await store.controllers();
  expect(leader?.id).toBe("late");
  expect(keeper.epoch).toBeUndefined();
  known.resolve();
  await until(() => keeper.epoch !== undefined);
  expect(keeper.epoch).toBe(leader?.epoch);
  end.abort();
  await done;
});

test("only one of two keepers leads; when it ends the other takes over under a higher epoch", async () => {
  const clock = new HandClock();
  const store = new MemoryStore({ clock });
  const keep = (id: string) => {
    const end = new AbortController();
    const keeper = new LeaseKeeper({ store, id, catchUp: async () => {}, content, clock, log: silentLog });
    return { keeper, end, done: keeper.run(end.signal) };
  };
  const first = keep("first");
  await until(() => first.keeper.epoch !== undefined);
  const second = keep("second");
  await until(async () => (await store.controllers()).controllers.length === 2);
  expect(second.keeper.epoch).toBeUndefined();
  const epoch = first.keeper.epoch ?? 0;
  first.end.abort();
  await first.done;
  await until(() => {
    clock.pass(500);
    return second.keeper.epoch !== undefined;
  });
  expect(second.keeper.epoch).toBeGreaterThan(epoch);
  expect(first.keeper.epoch).toBeUndefined();
  second.end.abort();
  await second.done;
});

test("a leader that cannot renew stops acting before another one may lead", async () => {
  const clock = new HandClock();
  const store = new MemoryStore({ clock });
  const end = new AbortController();
  const keeper = new LeaseKeeper({ store, id: "cut-off", catchUp: async () => {}, content, clock, log: silentLog });
  const done = keeper.run(end.signal);
  await until(() => keeper.epoch !== undefined);
  store.setFault("unavailable");
  clock.pass(leaseMs);
  expect(keeper.epoch).toBeUndefined();
  store.setFault("none");
  end.abort();
  await done;
});

test("a replica that is ready does not run before the change of config that is being made is over", async () => {
  await cluster.deploy("app", 1);
  await untilReady();
  await begin();
  await ticks(3);
  expect(await cluster.replicas("STARTING")).toHaveLength(1);
  expect(await ids()).toEqual([]);
  await change(({ changing, ...over }) => over);
  await cluster.tick(1_000);
  expect(await ids()).toHaveLength(1);
});

test("a replica does not begin to run over a config change that began since the tick's observation", async () => {
  await cluster.deploy("app", 1);
  await untilReady();
  const commit = cluster.store.commit.bind(cluster.store);
  const refused: CommitResult[] = [];
  cluster.store.commit = async (writes, options) => {
    const runs = writes.some((write) => "put" in write && write.put === "replica" && write.value.state === "RUNNING");
    if (!runs || refused.length > 0) return commit(writes, options);
    cluster.store.commit = commit;
    await begin();
    const result = await commit(writes, options);
    refused.push(result);
    return result;
  };
  await cluster.tick(1_000);
  expect(refused).toMatchObject([{ kind: "conflict", key: "app" }]);
  await ticks(2);
  expect(await ids()).toEqual([]);
  expect(await cluster.replicas("STARTING")).toHaveLength(1);
});

/**
 * Its only replica starts, serves, and has the committed config, which no tick has observed yet.
 */
async function untilReady(): Promise<void> {
  await until(async () => {
    await cluster.tick(0);
    return (await cluster.replicas("STARTING"))[0]?.address !== undefined;
  });
  const [{ id } = { id: "" }] = await cluster.replicas("STARTING");
  cluster.clock.pass(1_000);
  const [replica] = await cluster.replicas("STARTING");
  const deployment = cluster.mirror.deployment("app")?.value;
  if (replica === undefined || deployment === undefined) throw new Error("nothing starts");
  cluster.port.connect([{ replica, deployment }]);
  await until(() => cluster.port.contact(id).configGeneration === 1);
  expect(cluster.port.contact(id).answer).toBe("ready");
}

/** Begins a config change that no controller makes. */
const begin = () => change((record) => changing(record, "change"));

async function change(to: (record: DeploymentRecord) => DeploymentRecord): Promise<void> {
  const entry = await cluster.store.get("deployment", "app");
  if (entry === undefined) throw new Error("there is no deployment");
  const { kind } = await cluster.store.commit([{ put: "deployment", key: "app", version: entry.version, value: to(entry.value) }]);
  expect(kind).toBe("committed");
}

test("a process whose address the engine never tells fails at its startup_timeout", async () => {
  const unreached = await SimulatedCluster.open({ fate: () => ({ addressAfterMs: Number.POSITIVE_INFINITY }) });
  try {
    await unreached.deploy("app", 1);
    const { startupTimeoutMs } = (await unreached.store.get("deployment", "app"))?.value.spec ?? { startupTimeoutMs: 0 };
    for (let second = 0; second < startupTimeoutMs / 1_000 + 3; second++) await unreached.tick(1_000);
    const [failed] = await unreached.replicas("FAILED");
    expect(failed?.failure?.cause.kind).toBe("startupTimeout");
  } finally {
    await unreached.close();
  }
});

test("of two replicas the one goes that has fewer requests, also where these came by gateways and are not reported yet", async () => {
  await cluster.deploy("app", 2);
  for (let tick = 0; tick < 5; tick++) await cluster.tick(1_000);
  const [first, second] = await cluster.replicas("RUNNING");
  cluster.given.set(first?.id ?? "", 3);
  await cluster.deploy("app", 1);
  for (let tick = 0; tick < 5; tick++) await cluster.tick(1_000);
  const left = await cluster.replicas("RUNNING");
  expect(left.map(({ id }) => id)).toEqual([first?.id]);
  expect(second?.id).not.toBe(first?.id);
});
