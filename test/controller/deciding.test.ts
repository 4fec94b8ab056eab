import { afterEach, beforeEach, expect, test } from "vitest";
import { openRouting, type Routing } from "../../src/controller/data-path.ts";
import { type Deciding, openDeciding, openLease } from "../../src/controller/deciding.ts";
import { firstRecord } from "../../src/core/generations.ts";
import { noGateway } from "../../src/links/loads.ts";
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
function open(id: string, keepReplicas: boolean): { readonly deciding: Deciding; readonly routing: Routing } {
  const common = { store, mirror, clock, random: new SeededRandom(1), log: silentLog };
  const lease = openLease({ ...common, id });
  const port = new SimulatedPort({ engine, clock, wanted: () => undefined, epoch: () => lease.epoch });
  const routing = openRouting({ ...common, lease, port, gateways: noGateway });
  const deciding = openDeciding({
    ...{ ...common, engine, lease, port, loads: routing.loads },
    autoscaleCron: "* * * * * *",
    keepReplicas,
  });
  closing.push(routing);
  return { deciding, routing };
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
