// The cost of one tick of the reconcile loop when there is nothing to do.
import { SimulatedCluster } from "../test/sim/simulated-cluster.ts";
import { figure, present, quick, type Section } from "./section.ts";
import { median, quantile } from "./statistics.ts";

const deployments = 1_000;
const replicasEach = 10;
const replicas = deployments * replicasEach;
const ticks = quick ? 20 : 200;
const tickMs = 1_000;
const startTicksMax = 1_000;
/** Ticks until nothing is left to write: replicas that ran for a while count as stable. */
const calmTicks = 60;
const targetMs = 50;

async function measure(): Promise<readonly Section[]> {
  const cluster = await SimulatedCluster.open();
  try {
    for (let index = 0; index < deployments; index++) await cluster.deploy(`app-${index}`, replicasEach);
    for (let tick = 0; (await cluster.replicas("RUNNING")).length < replicas; tick++) {
      if (tick === startTicksMax) throw new Error("the replicas do not run");
      await cluster.tick(tickMs);
    }
    for (let tick = 0; tick < calmTicks; tick++) await cluster.tick(tickMs);
    const before = await cluster.store.position();
    const tookMs: number[] = [];
    const cpuBefore = process.cpuUsage();
    for (let tick = 0; tick < ticks; tick++) {
      const beganMs = performance.now();
      await cluster.tick(tickMs);
      tookMs.push(performance.now() - beganMs);
    }
    const { user, system } = process.cpuUsage(cpuBefore);
    const cpuMs = (user + system) / 1_000 / ticks;
    if ((await cluster.store.position()) !== before) throw new Error("the loop was not idle: it wrote");
    if ((await cluster.replicas("RUNNING")).length !== replicas) throw new Error("replicas were lost");
    const row = [
      figure(replicas),
      figure(deployments),
      figure(median(tookMs), 2),
      figure(quantile(tookMs, 0.99), 2),
      figure(Math.max(...tookMs), 2),
      figure(cpuMs, 2),
    ];
    return [{ title: "Reconcile tick", columns, rows: [row], notes }];
  } finally {
    await cluster.close();
  }
}

const columns = ["replicas", "deployments", "p50 ms", "p99 ms", "max ms", "CPU ms each"];
const notes = [
  `${ticks} ticks with all replicas running and nothing to do, in one process: the real loop, planner and mirror, over an in-memory store and simulated replicas. The target is below ${targetMs} ms.`,
];

await present(measure);
