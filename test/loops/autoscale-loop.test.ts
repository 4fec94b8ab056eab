import { afterEach, beforeEach, expect, test } from "vitest";
import type { AutoscalingConfig } from "../../src/core/autoscaling-config.ts";
import { firstRecord } from "../../src/core/generations.ts";
import { Loads, noGateway } from "../../src/links/loads.ts";
import { silentLog } from "../../src/log/log.ts";
import { AutoscaleLoop } from "../../src/loops/autoscale-loop.ts";
import { spec } from "../kit/records.ts";
import { SimulatedCluster } from "../sim/simulated-cluster.ts";

const config: AutoscalingConfig = {
  minReplicas: 0,
  maxReplicas: 10,
  initialReplicas: 2,
  targetOngoingRequests: 2,
  upscaleDelayMs: 2_000,
  downscaleDelayMs: 4_000,
  downscaleToZeroDelayMs: 6_000,
  upscalingFactor: 1,
  downscalingFactor: 1,
  lookBackPeriodMs: 2_000,
  metricsIntervalMs: 1_000,
  aggregation: "MEAN",
  burst: { windowMs: 2_000, threshold: 2, disabled: true },
  schedules: [{ cron: "0 8 * * *", timeZone: "", minReplicas: 5, durationMs: 60_000 }],
};

let cluster: SimulatedCluster;
let loop: AutoscaleLoop;
let epoch: number | undefined;
let queued = 0;
let minimum = 0;

beforeEach(async () => {
  cluster = await SimulatedCluster.open();
  epoch = (await cluster.store.controllers()).leader?.epoch;
  [queued, minimum] = [0, 0];
  loop = new AutoscaleLoop({
    mirror: cluster.mirror,
    store: cluster.store,
    loads: new Loads({
      mirror: cluster.mirror,
      contact: (id) => cluster.port.contact(id),
      gateways: { ...noGateway, queued: () => queued },
      clock: cluster.clock,
    }),
    epoch: () => epoch,
    scheduledMinimum: () => minimum,
    cron: "* * * * * *",
    clock: cluster.clock,
    log: silentLog,
  });
  const value = firstRecord({ ...spec, name: "app", autoscalingConfig: config }, "u", cluster.clock.nowMs());
  await cluster.store.commit([{ put: "deployment", key: "app", version: 0, value }]);
  await ticks(3);
});
afterEach(() => cluster.close());

/** Seconds, each with a tick of both loops. */
async function ticks(count: number): Promise<void> {
  for (let tick = 0; tick < count; tick++) {
    await cluster.tick(1_000);
    await cluster.mirror.catchUp();
    await loop.tick();
    await cluster.mirror.catchUp();
  }
}

const target = () => cluster.mirror.deployment("app")?.value.autoscaled?.target;
const decisions = () => cluster.mirror.entriesOf("decision", "app").flatMap(({ value }) => (value.source === "AUTOSCALER" ? value : []));

async function load(ongoing: number): Promise<void> {
  for (const { id } of await cluster.replicas("RUNNING")) cluster.port.behave(id, { ongoing });
}

test("a new deployment has its initial replicas, and the number follows the load, with a stored decision", async () => {
  expect(target()).toBe(2);
  await load(4);
  await ticks(10);
  expect(target()).toBe(4);
  expect(decisions().at(-1)).toMatchObject({ source: "AUTOSCALER", bound: "upscale_delay", inputs: { load: 8, target: 2 } });
  expect((await cluster.replicas("RUNNING")).length).toBe(4);
});

test("while a replica is silent, none is removed, and that is recorded once", async () => {
  const [first] = await cluster.replicas("RUNNING");
  cluster.port.behave(first?.id ?? "", { silentSinceMs: 0 });
  await ticks(30);
  expect(target()).toBe(2);
  expect(decisions().filter(({ bound }) => bound === "stale_load")).toHaveLength(1);
  cluster.port.behave(first?.id ?? "", { silentSinceMs: undefined });
  await ticks(10);
  expect(target()).toBe(0);
});

test("a report that is older than three intervals counts for nothing", async () => {
  const [first] = await cluster.replicas("RUNNING");
  cluster.port.behave(first?.id ?? "", { lateOngoing: 0, lateSinceMs: cluster.clock.nowMs() - 3_001 });
  await ticks(30);
  expect(target()).toBe(2);
});

test("a loop that does not lead writes nothing, and a new leader starts its windows again", async () => {
  epoch = undefined;
  const { position } = cluster.mirror;
  await loop.tick();
  expect(cluster.mirror.position).toBe(position);
  epoch = (await cluster.store.controllers()).leader?.epoch;
  await ticks(4);
  expect(target()).toBe(2);
  await ticks(10);
  expect(target()).toBe(0);
});

test("from zero the first request that waits starts a replica at once, without waiting for the next tick", async () => {
  await ticks(14);
  expect(target()).toBe(0);
  queued = 1;
  loop.wake("app");
  await loop.tick();
  await cluster.mirror.catchUp();
  expect(target()).toBe(1);
  expect(decisions().at(-1)?.bound).toBe("zero");
});

test("a schedule that holds raises the fewest ahead of the load", async () => {
  minimum = 5;
  await ticks(20);
  expect(target()).toBe(5);
  expect(decisions().at(-1)).toMatchObject({ bound: "min_replicas", summary: expect.stringContaining("a schedule holds") });
});

test("a write that conflicts with a faster one is left to the next tick", async () => {
  await load(4);
  await ticks(2);
  const entry = await cluster.store.get("deployment", "app");
  if (entry === undefined) throw new Error("it is there");
  await cluster.store.commit([{ put: "deployment", key: "app", version: entry.version, value: { ...entry.value, updatedAtMs: 5 } }]);
  await ticks(6);
  expect(target()).toBe(4);
});
