// A config change of live replicas: from the call of Reconfigure to its answer, and until the last
// replica serves with it. And the same change as a rolling restart.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ControllerService } from "../gen/drover/v1/controller_service_pb.ts";
import { DeploymentState } from "../gen/drover/v1/deployment_pb.ts";
import { ControllerApi } from "../src/api/controller-service.ts";
import { realClock as clock, realRandom as random } from "../src/clock/real.ts";
import { openRouting } from "../src/controller/data-path.ts";
import { openDeciding, openLease } from "../src/controller/deciding.ts";
import type { ReplicaRecord } from "../src/core/replica.ts";
import { noGateway } from "../src/links/loads.ts";
import { ReplicaLinks } from "../src/links/replica-links.ts";
import { wantedConfig } from "../src/links/wanted-config.ts";
import { silentLog as log } from "../src/log/log.ts";
import { openSchedules } from "../src/loops/schedules.ts";
import { Channel } from "../src/rpc/channel.ts";
import { jsonToValue } from "../src/rpc/json-value.ts";
import { RpcServer } from "../src/rpc/server.ts";
import type { Client } from "../src/rpc/service.ts";
import { openFolderBundles } from "../src/store/folder-bundles.ts";
import { Mirror } from "../src/store/mirror.ts";
import { Drover, until } from "../test/e2e/drover.ts";
import { startTestRedis } from "../test/store/redis-fixture.ts";
import { CrowdedEngine, systemMs } from "./crowded-engine.ts";
import { figure, present, quick, type Section } from "./section.ts";
import { median, quantile } from "./statistics.ts";

const replicaCounts = [1, 10, 100];
const calls = quick ? 5 : 50;
/** Calls before the measurement, for the compiler. */
const warmUps = quick ? 1 : 20;
const restarts = quick ? 1 : 3;
const realReplicas = 10;
const processesMax = 2;
const targetMs = 50;

/** How long one change took: until its answer, and until the last replica served with it. */
interface Change {
  readonly answeredMs: number;
  readonly servedMs: number;
}

async function measure(): Promise<readonly Section[]> {
  const rows: string[][] = [];
  for (const replicas of replicaCounts) rows.push(rowOf(replicas, await crowded(replicas)));
  return [{ title: "Reconfigure", columns, rows, notes }, await compared()];
}

const columns = ["replicas", "answered p50 ms", "answered p99 ms", "last serves p50 ms", "last serves p99 ms"];
const notes = [
  `${calls} changes of \`user_config\`, one after the other, after ${warmUps} for warm-up, of replicas whose \`reconfigure\` does nothing: from the call of \`Reconfigure\` to its answer, and until the last replica serves with the config. Its target is below ${targetMs} ms with 100 replicas. The API, the loops, Redis, gRPC and the replicas' servers are real. But the controller runs in the measuring process, and the replicas, each on its own unix socket, share at most ${processesMax} processes.`,
];

function rowOf(replicas: number, changes: readonly Change[]): string[] {
  const of = (what: keyof Change) => changes.map((change) => change[what]);
  const figures = (ms: readonly number[]) => [figure(median(ms), 1), figure(quantile(ms, 0.99), 1)];
  return [figure(replicas), ...figures(of("answeredMs")), ...figures(of("servedMs"))];
}

/** Measures changes of `replicas` replicas in a few processes. */
async function crowded(replicas: number): Promise<readonly Change[]> {
  const folder = await mkdtemp(join(tmpdir(), "drover-bench-"));
  const engine = new CrowdedEngine(folder, Math.min(processesMax, replicas));
  const controller = await openController(engine);
  try {
    const spec = {
      version: "1",
      program: { kind: { case: "command" as const, value: { argv: ["crowd"] } } },
      resources: { numCpus: 0.01 },
    };
    await controller.client.deploy({ spec: { ...spec, name: "crowd", numReplicas: replicas, userConfig: jsonToValue(-warmUps) } });
    await until("all replicas run", async () => {
      const { deployment } = await controller.client.getDeployment({ name: "crowd" });
      return deployment?.status?.state === DeploymentState.HEALTHY && deployment.status.runningReplicas === replicas;
    });
    const changes: Change[] = [];
    for (let number = 1 - warmUps; number <= calls; number++) {
      const beganMs = systemMs();
      const { replicas: taken } = await controller.client.reconfigure({ name: "crowd", userConfig: jsonToValue(number) });
      const answeredMs = systemMs() - beganMs;
      if (taken.length !== replicas) throw new Error(`${taken.length} replicas took part, and not ${replicas}`);
      const servedAtMs = await until("all replicas serve with the config", () => engine.servedAtMs(number));
      if (number > 0) changes.push({ answeredMs, servedMs: servedAtMs - beganMs });
    }
    return changes;
  } finally {
    await controller.close();
    await engine.end();
    await rm(folder, { recursive: true, force: true });
  }
}

/** A controller in this process, with its own Redis and without a gateway. */
async function openController(
  engine: CrowdedEngine,
): Promise<{ readonly client: Client<typeof ControllerService>; close(): Promise<void> }> {
  const redis = await startTestRedis();
  const store = await redis.store();
  const mirror = await Mirror.open({ store, clock, log });
  const bundlesFolder = await mkdtemp(join(tmpdir(), "drover-bench-"));
  const bundles = await openFolderBundles({ folder: bundlesFolder, clock });
  const common = { store, mirror, clock, random, log };
  const lease = openLease({ ...common, id: "bench" });
  const wanted = (replica: ReplicaRecord) => wantedConfig(mirror, replica);
  const port = new ReplicaLinks({ wanted, epoch: () => lease.epoch, given: noGateway.ongoing, clock, log });
  const routing = openRouting({ ...common, lease, port, gateways: noGateway });
  const { loads } = routing;
  const autoscaleCron = "* * * * * *";
  const deciding = openDeciding({ ...common, bundles, engine, lease, port, loads, autoscaleCron, keepReplicas: true });
  const observed = { replica: (id: string) => loads.replica(id), deployment: (name: string) => loads.deployment(name), pid: () => 0 };
  const api = new ControllerApi({
    store,
    mirror,
    bundles,
    runsImages: engine.runsImages,
    observed,
    routes: routing.routes,
    room: () => engine.room(),
    logs: () => engine.logs(),
    openSchedules,
    clock,
    random,
  });
  const server = new RpcServer({ implementations: [api.implementation], log, clock });
  const channel = new Channel(await server.listen("127.0.0.1:0"));
  routing.begin();
  deciding.begin();
  return {
    client: channel.client(ControllerService),
    close: async () => {
      channel.close();
      api.close();
      await server.close(0);
      await deciding.close();
      await routing.close();
      await port.close();
      await mirror.close();
      await bundles.close();
      await rm(bundlesFolder, { recursive: true, force: true });
      await redis.close();
    },
  };
}

/**
 * The same change with replicas and a controller that are processes, both as a change and as a
 * restart.
 */
async function compared(): Promise<Section> {
  const drover = await Drover.start();
  try {
    const deploy = async (version: number, userConfig: number) => {
      const path = join(import.meta.dirname, "programs/reconfigurable.mjs");
      const spec = { name: "app", numReplicas: realReplicas, resources: { numCpus: 0.01 }, version: String(version) };
      const program = { kind: { case: "module" as const, value: { path } } };
      await drover.controller.deploy({ spec: { ...spec, program, userConfig: jsonToValue(userConfig) } });
      await drover.settled("app");
    };
    await deploy(0, 0);
    const reconfigured: number[] = [];
    for (let number = 1 - warmUps; number <= calls; number++) {
      const tookMs = await timed(() => drover.controller.reconfigure({ name: "app", userConfig: jsonToValue(number) }));
      if (number > 0) reconfigured.push(tookMs);
    }
    const restarted: number[] = [];
    for (let version = 1; version <= restarts; version++) restarted.push(await timed(() => deploy(version, -version)));
    const row = (how: string, ms: readonly number[]) => [how, figure(realReplicas), figure(median(ms), 1), figure(Math.max(...ms), 1)];
    return {
      title: "Reconfigure or restart",
      columns: ["change of user_config", "replicas", "median ms", "max ms"],
      rows: [row("`Reconfigure`", reconfigured), row("`Deploy` with a new version", restarted)],
      notes: [
        `The same for ${realReplicas} replicas and a controller that are processes: ${calls} calls of \`Reconfigure\`, until its answer, and ${restarts} rolling restarts with the default bounds, until all replicas are new and the old ones have ended.`,
      ],
    };
  } finally {
    await drover.close();
  }
}

async function timed(act: () => Promise<unknown>): Promise<number> {
  const beganMs = performance.now();
  await act();
  return performance.now() - beganMs;
}

await present(measure);
