// The cost of load for the controller: a tick of the autoscaler with many deployments, and many
// load streams.
import { fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { ReplicaService } from "../gen/drover/replica/v1/replica_service_pb.ts";
import { type AutoscalingConfig, defaultAutoscaling } from "../src/core/autoscaling-config.ts";
import { firstRecord } from "../src/core/generations.ts";
import { Channel } from "../src/rpc/channel.ts";
import { spec } from "../test/kit/records.ts";
import { SimulatedCluster } from "../test/sim/simulated-cluster.ts";
import { figure, present, quick, type Section } from "./section.ts";
import { median, quantile } from "./statistics.ts";

const deployments = 1_000;
const replicasEach = 10;
const ticks = quick ? 10 : 100;
const streams = quick ? 500 : 10_000;
/**
 * Streams on one connection. A real replica has its own connection, but most systems do not allow
 * ten thousand sockets.
 */
const streamsPerChannel = 100;
const settleMs = quick ? 1_000 : 5_000;
const measuredMs = quick ? 2_000 : 20_000;

const config: AutoscalingConfig = { ...defaultAutoscaling, minReplicas: replicasEach, maxReplicas: 100, targetOngoingRequests: 10 };

async function autoscalerTicks(): Promise<Section> {
  const cluster = await SimulatedCluster.open();
  const { store, clock } = cluster;
  const loop = cluster.deciding.autoscale;
  try {
    for (let index = 0; index < deployments; index++) {
      const value = firstRecord({ ...spec, name: `app-${index}`, autoscalingConfig: config }, `uid-${index}`, clock.nowMs());
      await store.commit([{ put: "deployment", key: value.spec.name, version: 0, value }]);
    }
    while ((await cluster.replicas("RUNNING")).length < deployments * replicasEach) await cluster.tick(1_000);
    const tookMs: number[] = [];
    for (let tick = 0; tick < ticks; tick++) {
      clock.pass(1_000);
      const beganMs = performance.now();
      await loop.tick();
      tookMs.push(performance.now() - beganMs);
    }
    const row = [figure(deployments), figure(deployments * replicasEach), figure(median(tookMs), 1), figure(quantile(tookMs, 0.99), 1)];
    const notes = [
      `${ticks} ticks of the autoscaler over an in-memory store and simulated replicas, with nothing to change. The target is below 50 ms.`,
    ];
    return { title: "Autoscaler tick", columns: ["deployments", "replicas", "p50 ms", "p99 ms"], rows: [row], notes };
  } finally {
    await cluster.close();
  }
}

async function loadStreams(): Promise<Section> {
  const folder = mkdtempSync(join(tmpdir(), "drover-bench-"));
  const replica = fork(join(import.meta.dirname, "load-replica.ts"), [`unix:${join(folder, "s")}`]);
  const end = new AbortController();
  try {
    const address = await new Promise<string>((resolve) => replica.once("message", (listening) => resolve(String(listening))));
    const channels = Array.from({ length: streams / streamsPerChannel }, () => new Channel(address));
    let reports = 0;
    const follow = async (channel: Channel) => {
      try {
        for await (const _ of channel.client(ReplicaService).watchLoad({ interval: durationFromMs(1_000) }, { signal: end.signal }))
          reports += 1;
      } catch (cause) {
        if (!end.signal.aborted) throw cause;
      }
    };
    const before = process.memoryUsage().rss;
    const following = channels.flatMap((channel) => Array.from({ length: streamsPerChannel }, () => follow(channel)));
    while (reports < streams) await new Promise((done) => setTimeout(done, 50));
    await new Promise((done) => setTimeout(done, settleMs));
    const grownKiB = (process.memoryUsage().rss - before) / 1_024;
    const [fromReports, cpu, beganMs] = [reports, process.cpuUsage(), performance.now()];
    await new Promise((done) => setTimeout(done, measuredMs));
    const { user, system } = process.cpuUsage(cpu);
    const tookMs = performance.now() - beganMs;
    const row = [
      figure(streams),
      figure((reports - fromReports) / (tookMs / 1_000)),
      figure((user + system) / 1_000 / tookMs, 2),
      figure(grownKiB / streams, 1),
    ];
    end.abort();
    await Promise.all(following);
    for (const channel of channels) channel.close();
    const notes = [
      `\`WatchLoad\` at 1 Hz from a replica in another process, ${streamsPerChannel} streams on each connection, over ${measuredMs / 1_000} s. The target is below half a core in the process that reads them.`,
    ];
    return { title: "Load streams", columns: ["streams", "reports/s", "cores", "KiB a stream"], rows: [row], notes };
  } finally {
    replica.kill();
    rmSync(folder, { recursive: true, force: true });
  }
}

await present(async () => [await autoscalerTicks(), await loadStreams()]);
