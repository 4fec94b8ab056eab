import { afterEach, beforeEach, expect, test } from "vitest";
import { SimulatedCluster } from "./simulated-cluster.ts";

let cluster: SimulatedCluster;
beforeEach(async () => {
  cluster = await SimulatedCluster.open();
});
afterEach(() => cluster.close());

async function ticks(count: number, ms = 200): Promise<void> {
  for (let tick = 0; tick < count; tick++) await cluster.tick(ms);
}

async function count(): Promise<Readonly<Record<string, number>>> {
  const states = ["PENDING", "STARTING", "RUNNING", "DRAINING", "STOPPED", "FAILED"] as const;
  const counts = await Promise.all(states.map(async (state) => [state, (await cluster.replicas(state)).length] as const));
  return Object.fromEntries(counts.filter(([, count]) => count > 0));
}

test("a simulated replica serves only once its start time has passed", async () => {
  await cluster.deploy("app", 2);
  await ticks(4, 0);
  expect(await count()).toEqual({ STARTING: 2 });
  await cluster.tick(99);
  expect(await count()).toEqual({ STARTING: 2 });
  await cluster.tick(1);
  expect(await count()).toEqual({ RUNNING: 2 });
});

test("a simulated replica that drains ends once nothing is ongoing", async () => {
  await cluster.deploy("app", 1);
  await ticks(4);
  const [replica] = await cluster.replicas("RUNNING");
  cluster.port.behave(replica?.id ?? "", { ongoing: 1 });
  await cluster.deploy("app", 0);
  await ticks(4);
  expect(await count()).toEqual({ DRAINING: 1 });
  cluster.port.behave(replica?.id ?? "", { ongoing: 0 });
  await ticks(2);
  expect(await count()).toEqual({ STOPPED: 1 });
});

test("a simulated process that ends by itself is replaced, and its last words kept", async () => {
  await cluster.deploy("app", 2);
  await ticks(4);
  const [replica] = await cluster.replicas("RUNNING");
  cluster.engine.end(replica?.id ?? "", { kind: "exit", code: 1 }, ["it was all too much"]);
  await ticks(20);
  expect(await count()).toEqual({ RUNNING: 2, FAILED: 1 });
  expect((await cluster.replicas("FAILED"))[0]?.failure).toMatchObject({
    cause: { ending: { kind: "exit", code: 1 } },
    lines: ["it was all too much"],
  });
});

test("a simulation is the same each time", async () => {
  const history = async (world: SimulatedCluster) => {
    await world.deploy("app", 3);
    for (let tick = 0; tick < 10; tick++) await world.tick(100);
    world.engine.end("app-00000", { kind: "signal", signal: "SIGKILL" });
    for (let tick = 0; tick < 10; tick++) await world.tick(100);
    return [await world.engine.list(), await world.replicas("RUNNING"), await world.replicas("FAILED")];
  };
  const other = await SimulatedCluster.open();
  try {
    expect(await history(cluster)).toEqual(await history(other));
  } finally {
    await other.close();
  }
});
