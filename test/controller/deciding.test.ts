import { afterEach, beforeEach, expect, test } from "vitest";
import { openRouting, type Routing } from "../../src/controller/data-path.ts";
import { type Deciding, openDeciding, openLease } from "../../src/controller/deciding.ts";
import { firstRecord } from "../../src/core/generations.ts";
import { noGateway } from "../../src/links/loads.ts";
import { wantedConfig } from "../../src/links/wanted-config.ts";
import { silentLog } from "../../src/log/log.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import { Mirror } from "../../src/store/mirror.ts";
import { spec } from "../kit/records.ts";
import { SeededRandom } from "../sim/seeded-random.ts";
import { SimulatedClock } from "../sim/simulated-clock.ts";
import { SimulatedEngine } from "../sim/simulated-engine.ts";
import { SimulatedPort } from "../sim/simulated-port.ts";

const capacity = { cpuMilli: 10_000, gpuCount: 0, memoryBytes: 2 ** 40 };

let clock: SimulatedClock;
let store: MemoryStore;
let engine: SimulatedEngine;
let mirror: Mirror;
const closing: { close(): Promise<void> }[] = [];

beforeEach(async () => {
  clock = new SimulatedClock();
  store = new MemoryStore({ clock });
  engine = new SimulatedEngine({ clock, capacity });
  mirror = await Mirror.open({ store, clock, log: silentLog });
  const record = firstRecord({ ...spec, numReplicas: 2 }, "u", clock.nowMs());
  await store.commit([{ put: "deployment", key: record.spec.name, version: 0, value: record }]);
});
afterEach(async () => {
  for (const part of closing.splice(0).reverse()) await part.close();
  await mirror.close();
  await store.close();
});

/** A controller's deciding, with its routing, as they ship. */
function open(id: string, keepReplicas: boolean): { readonly deciding: Deciding; readonly routing: Routing; readonly port: SimulatedPort } {
  const common = { store, mirror, clock, random: new SeededRandom(1), log: silentLog };
  const lease = openLease({ ...common, id });
  const port = new SimulatedPort({ engine, clock, wanted: (replica) => wantedConfig(mirror, replica), epoch: () => lease.epoch });
  const routing = openRouting({ ...common, lease, port, gateways: noGateway });
  const deciding = openDeciding({
    bundles: { sweep: async () => ({ bundles: 0, files: 0 }) },
    ...{ ...common, engine, lease, port, loads: routing.loads },
    autoscaleCron: "* * * * * *",
    keepReplicas,
  });
  closing.push(routing);
  return { deciding, routing, port };
}

/** Closes while simulated time goes on. */
async function close(deciding: Deciding): Promise<void> {
  let over = false;
  const closed = deciding.close().finally(() => {
    over = true;
  });
  while (!over) await clock.pass(100);
  await closed;
}

test("until it begins, nothing is touched; then it leads and acts", async () => {
  const { deciding, routing } = open("a", true);
  await clock.pass(5_000);
  expect(engine.alive()).toHaveLength(0);
  expect((await store.controllers()).leader).toBeUndefined();
  routing.begin();
  deciding.begin();
  await clock.pass(5_000);
  expect(engine.alive()).toHaveLength(2);
  expect((await store.controllers()).leader?.id).toBe("a");
  await close(deciding);
});

test.each([
  ["stops its replicas, removes their records and gives the lease up", false, 0],
  ["leaves replicas that are to be kept, and gives the lease up", true, 2],
])("a controller that ends %s", async (_, keepReplicas, left) => {
  const { deciding, routing } = open("a", keepReplicas);
  routing.begin();
  deciding.begin();
  await clock.pass(5_000);
  await close(deciding);
  expect(engine.alive()).toHaveLength(left);
  await mirror.catchUp();
  expect(mirror.replicas().size).toBe(left);
  expect((await store.controllers()).leader).toBeUndefined();
});

test("requests that came to a replica without a gateway have the grace of their deployment, and less if hastened", async () => {
  const { deciding, routing, port } = open("a", false);
  routing.begin();
  deciding.begin();
  const running = () => [...mirror.replicas().values()].filter(({ value }) => value.state === "RUNNING");
  await clock.pass(15_000);
  expect(running()).toHaveLength(2);
  const [busy = ""] = engine.alive().map(({ replicaId }) => replicaId);
  port.behave(busy, { ongoing: 3 });
  const hastened = new AbortController();
  const told: unknown[] = [];
  const graceMs = spec.gracefulShutdownTimeoutMs;
  let over = false;
  const sinceMs = clock.nowMs();
  const closed = deciding.close({ sinceMs, hastened: hastened.signal, onWait: (work) => told.push(...work) }).finally(() => {
    over = true;
  });
  await clock.pass(graceMs / 2);
  expect(told).toEqual([{ deployment: spec.name, calls: 3, graceMs }]);
  expect(engine.alive()).toHaveLength(2);
  hastened.abort();
  while (!over) await clock.pass(100);
  await closed;
  expect(engine.alive()).toHaveLength(0);
  expect(clock.nowMs() - sinceMs).toBeLessThan(graceMs);
});

test("a controller that ends before it began stops no replica of its predecessor", async () => {
  const before = open("a", true);
  before.routing.begin();
  before.deciding.begin();
  await clock.pass(5_000);
  await close(before.deciding);
  const { deciding } = open("b", false);
  await close(deciding);
  expect(engine.alive()).toHaveLength(2);
});
