import { afterEach, beforeEach, expect, test } from "vitest";
import { Loads } from "../../src/links/loads.ts";
import { SimulatedCluster } from "../sim/simulated-cluster.ts";

let cluster: SimulatedCluster;
let given: Map<string, number>;
let ended: { completed: number; failed: number };
let loads: Loads;

beforeEach(async () => {
  cluster = await SimulatedCluster.open();
  given = new Map();
  ended = { completed: 0, failed: 0 };
  loads = new Loads({
    mirror: cluster.mirror,
    contact: (id) => cluster.port.contact(id),
    gateways: { queued: () => 2, ongoing: (id) => given.get(id) ?? 0, ended: () => ended },
    clock: cluster.clock,
  });
  await cluster.deploy("app", 2);
  for (let tick = 0; tick < 6; tick++) await cluster.tick(1_000);
});
afterEach(() => cluster.close());

const ids = async () => (await cluster.replicas("RUNNING")).map(({ id }) => id);

test("the load of a deployment is that of its replicas, and what waits", async () => {
  const [first = "", second = ""] = await ids();
  cluster.port.behave(first, { ongoing: 5 });
  given.set(second, 3);
  expect(loads.replica(first)?.ongoing).toBe(5);
  expect(loads.replica(second)?.ongoing).toBe(3);
  expect(loads.deployment("app")).toEqual({ ongoing: 8, queued: 2, known: true, routable: 2 });
});

test("a replica that reports nothing is not known, and so is its deployment's load", async () => {
  const [first = ""] = await ids();
  cluster.port.behave(first, { silentSinceMs: 0 });
  expect(loads.replica(first)).toBeUndefined();
  expect(loads.deployment("app")).toMatchObject({ known: false, routable: 1 });
});

test("a request that a gateway saw end counts before the replica's next report", async () => {
  const [first = ""] = await ids();
  cluster.port.behave(first, { completed: 3, failed: 2 });
  ended = { completed: 5, failed: 1 };
  expect(loads.replica(first)).toMatchObject({ completed: 5, failed: 2 });
});
