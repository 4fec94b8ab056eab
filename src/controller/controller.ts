import { mkdir, readFile, realpath, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ControllerService } from "../../gen/drover/v1/controller_service_pb.ts";
import { ExternalScaler } from "../../gen/externalscaler/externalscaler_pb.ts";
import { Health } from "../../gen/health/v1/health_pb.ts";
import { ControllerApi } from "../api/controller-service.ts";
import { externalScaler } from "../api/external-scaler.ts";
import { realClock as clock, realRandom as random } from "../clock/real.ts";
import { printAddress } from "../config/address.ts";
import { type Config, hidePassword } from "../config/config.ts";
import { HttpServer } from "../dashboard/http-server.ts";
import { detectCapacity } from "../engine/local/capacity.ts";
import { Cgroups } from "../engine/local/cgroups.ts";
import { lockFolder } from "../engine/local/folder-lock.ts";
import { LocalEngine } from "../engine/local/local-engine.ts";
import { prepareSocketFolder, socketPath } from "../engine/local/socket-path.ts";
import { Gateway } from "../gateway/gateway.ts";
import { wantedConfig } from "../links/committed.ts";
import { ReplicaLinks } from "../links/replica-links.ts";
import { RouteTable } from "../links/route-table.ts";
import { createLog, type Log } from "../log/log.ts";
import { AutoscaleLoop } from "../loops/autoscale-loop.ts";
import { ConfigChangeLoop } from "../loops/config-change-loop.ts";
import { every } from "../loops/every.ts";
import { LeaseKeeper } from "../loops/lease-keeper.ts";
import { ReconcileLoop } from "../loops/reconcile-loop.ts";
import { openSchedules } from "../loops/schedules.ts";
import { stopReplicas } from "../loops/stop-replicas.ts";
import { HealthService } from "../rpc/health.ts";
import { descriptorsOf, reflection } from "../rpc/reflection.ts";
import { RpcServer } from "../rpc/server.ts";
import { shipped } from "../shipped.ts";
import { Mirror } from "../store/mirror.ts";
import { type PrivateRedis, startPrivateRedis } from "../store/private-redis.ts";
import { openRedisStore } from "../store/redis-store.ts";
import type { Store } from "../store/store.ts";

const idLength = 12;
/** How long requests may go on while the controller stops. */
const gatewayGraceMs = 10_000;
const apiGraceMs = 1_000;

/** Where a running controller can be reached; what a ready file holds. */
export interface Addresses {
  readonly api: string;
  readonly gateway: string;
  readonly http: string;
  readonly redis: string;
  readonly pid: number;
}

/** Things to close, the last opened first. */
class Closers {
  readonly #closers: (() => Promise<void> | void)[] = [];

  add(close: () => Promise<void> | void): void {
    this.#closers.push(close);
  }

  async closeAll(log: Log): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) {
      await Promise.resolve(close()).catch((cause: unknown) => log.warn({ cause: String(cause) }, "closing failed"));
    }
  }
}

/** Runs a controller until the signal aborts; calls `onReady` once everything serves. Fails if it cannot start, with nothing left behind. */
export async function runController(config: Config, signal: AbortSignal, onReady: (addresses: Addresses) => void): Promise<void> {
  const log = createLog(config.logLevel);
  const closers = new Closers();
  try {
    const addresses = await open(config, log, closers);
    if (config.readyFile !== undefined) await writeReadyFile(config.readyFile, addresses, closers);
    onReady(addresses);
    if (!signal.aborted) await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    log.info("stopping");
  } finally {
    await closers.closeAll(log);
  }
}

async function open(config: Config, log: Log, closers: Closers): Promise<Addresses> {
  await mkdir(config.dataDir, { recursive: true }).catch((cause: unknown) => {
    throw new Error(
      `the data folder ${config.dataDir} cannot be used (${cause instanceof Error ? cause.message : String(cause)}): name another with --data`,
    );
  });
  const lock = await lockFolder(config.dataDir);
  closers.add(() => lock.release());
  if (config.readyFile !== undefined) await rm(config.readyFile, { force: true });

  // Before any other process is started, which would be in the way.
  const cgroups = Cgroups.open(await realpath(config.dataDir));
  const redis = await openRedis(config, log, closers);
  const store = await openRedisStore({ ...redis, clock, log: log.child({ room: "store" }) });
  closers.add(() => store.close());
  const mirror = await Mirror.open({ store, clock, log: log.child({ room: "store" }) });
  closers.add(() => mirror.close());

  const capacity = await detectCapacity({
    ...(config.numCpus === undefined ? {} : { cpus: config.numCpus }),
    ...(config.numGpus === undefined ? {} : { gpus: config.numGpus }),
    custom: config.custom,
    memoryByKernel: cgroups !== undefined,
  });
  const engine = await LocalEngine.open({
    dataDir: config.dataDir,
    capacity,
    cgroups,
    clock,
    log: log.child({ room: "engine" }),
    ambientEnv: process.env,
    pythonSdk: shipped.pythonSdk,
    npmHook: shipped.npmHook,
    neededRequirements: () => {
      const kept = [...mirror.deployments().keys()].flatMap((name) => mirror.revisionsOf(name));
      return kept.map(({ value }) => value.spec.runtimeEnv);
    },
  });
  closers.add(() => engine.close());

  const loopLog = log.child({ room: "loops" });
  const id = await takeOverId(config.dataDir, store);
  const lease = new LeaseKeeper({ store, id, catchUp: () => mirror.catchUp(), clock, log: loopLog, onLead: () => wakeAll() });
  const links = new ReplicaLinks({
    wanted: (replica) => wantedConfig(mirror, replica),
    epoch: () => lease.epoch,
    gatewayOngoing: (id) => gateway.ongoing(id),
    clock,
    log: loopLog,
  });
  const routes = new RouteTable(mirror, (id) => links.contact(id));
  const gatewaySocket = socketPath(config.dataDir, join(config.dataDir, "run", "gateway.sock"));
  await prepareSocketFolder(gatewaySocket);
  const gateway = new Gateway({
    routes,
    clock,
    random,
    log: log.child({ room: "gateway" }),
    socketFolder: dirname(gatewaySocket),
    onCold: (deployment) => autoscale.wake(deployment),
  });
  const loop = new ReconcileLoop({
    mirror,
    store,
    engine,
    port: links,
    epoch: () => lease.epoch,
    moduleHost: [process.execPath, shipped.moduleHost],
    clock,
    random,
    log: loopLog,
  });
  const configChanges = new ConfigChangeLoop({ mirror, store, port: links, epoch: () => lease.epoch, clock, log: loopLog });
  const autoscale = new AutoscaleLoop({
    mirror,
    store,
    port: links,
    epoch: () => lease.epoch,
    queued: (name) => gateway.queued(name),
    gatewayOngoing: (id) => gateway.ongoing(id),
    scheduledMinimum: openSchedules(),
    clock,
    log: loopLog,
  });
  const wakeAll = () => {
    loop.wake();
    configChanges.wake();
  };
  mirror.subscribe((event) => {
    const names = event.kind === "reset" ? mirror.deployments().keys() : [deploymentOf(event.change)];
    for (const name of names) routes.changed(name);
    wakeAll();
  });
  links.onChange((deployment) => {
    routes.changed(deployment);
    loop.wake();
  });
  engine.onExit(() => loop.wake());

  // Begun only when all is listening: a controller that cannot start touches no replica, least of all those of its predecessor.
  const acting = {
    lease: new AbortController(),
    loop: new AbortController(),
    leaseDone: Promise.resolve(),
    loopDone: Promise.resolve<unknown>(undefined),
    begun: false,
  };
  closers.add(() => {
    acting.lease.abort();
    return acting.leaseDone;
  });
  closers.add(() => {
    if (acting.begun && !config.keepReplicas) return stopReplicas({ engine, mirror, store, epoch: lease.epoch, clock, log: loopLog });
  });
  closers.add(() => links.close());
  closers.add(async () => {
    acting.loop.abort();
    await acting.loopDone;
  });

  closers.add(() => gateway.close(gatewayGraceMs));
  const gatewayAddress = await gateway.listen(printAddress(config.gateway));
  /** A program without ReplicaService reports nothing: what went through the gateway is all that is known of it. */
  const uncounted = (id: string) => {
    const { answer, invocable } = links.contact(id);
    return answer === "ready" && !invocable ? { ongoing: 0, ...gateway.ended(id), configGeneration: 0 } : undefined;
  };
  const observed = {
    replica: (id: string) => {
      const { load = uncounted(id), configGeneration } = links.contact(id);
      if (load === undefined) return undefined;
      // What is on its way to a busy replica is in work as well; and who gives the configs knows of each sooner than it is reported.
      const gives = lease.epoch !== undefined && configGeneration !== undefined;
      const ongoing = Math.max(load.ongoing, gateway.ongoing(id));
      // The same of what the gateway saw end since the last report.
      const ended = gateway.ended(id);
      const [completed, failed] = [Math.max(load.completed, ended.completed), Math.max(load.failed, ended.failed)];
      return { ...load, ongoing, completed, failed, ...(gives && { configGeneration }) };
    },
    queued: (name: string) => gateway.queued(name),
    pid: (id: string) => loop.pid(id),
  };
  const api = new ControllerApi({
    store,
    mirror,
    observed,
    capacity: () => engine.capacity(),
    logs: (id, options, stop) => engine.logs(id, options, stop),
    openSchedules,
    clock,
    random,
  });
  const health = new HealthService();
  const apiServer = new RpcServer({
    implementations: [
      api.implementation,
      externalScaler({ mirror, observed, clock }),
      health.implementation,
      ...reflection(descriptorsOf([ControllerService, ExternalScaler, Health])),
    ],
    log: log.child({ room: "api" }),
    clock,
  });
  closers.add(async () => {
    health.set("", false);
    api.close();
    await apiServer.close(apiGraceMs);
    health.close();
  });
  const apiAddress = await apiServer.listen(printAddress(config.api));
  health.set("", true);
  health.set(ControllerService.typeName, true);
  health.set(ExternalScaler.typeName, true);

  const http = new HttpServer({ api: apiAddress, log: log.child({ room: "dashboard" }) });
  closers.add(() => http.close());
  const httpAddress = await http.listen(printAddress(config.http));

  acting.begun = true;
  acting.leaseDone = lease.run(acting.lease.signal);
  acting.loopDone = Promise.all([
    loop.run(acting.loop.signal),
    configChanges.run(acting.loop.signal),
    every(config.autoscaleCron, () => autoscale.tick(), loopLog, acting.loop.signal),
  ]);
  return { api: apiAddress, gateway: gatewayAddress, http: httpAddress, redis: redis.url ?? `unix:${redis.socketPath}`, pid: process.pid };
}

/** A new id for this controller. The lock on the folder proves that the controller which had it before is gone, and so its lease need not run out. */
async function takeOverId(dataDir: string, store: Store): Promise<string> {
  const file = join(dataDir, "controller.id");
  const former = await readFile(file, "utf8").catch(() => "");
  if (former !== "") await store.releaseLease(former);
  const id = random.id(idLength);
  await writeFile(file, id);
  return id;
}

async function openRedis(
  config: Config,
  log: Log,
  closers: Closers,
): Promise<{ readonly url: string; readonly socketPath?: undefined } | { readonly socketPath: string; readonly url?: undefined }> {
  const unix = "unix:";
  if (config.redisUrl?.startsWith(unix)) return { socketPath: config.redisUrl.slice(unix.length).replace(/^\/\/(?=\/)/, "") };
  if (config.redisUrl !== undefined) return { url: config.redisUrl };
  const dataDir = join(config.dataDir, "redis");
  const path = socketPath(config.dataDir, join(dataDir, "redis.sock"));
  await prepareSocketFolder(path);
  const redis: PrivateRedis = await startPrivateRedis({
    dataDir,
    socketPath: path,
    ...(config.redisServer === undefined ? {} : { binary: config.redisServer }),
    clock,
    log: log.child({ room: "store" }),
  });
  closers.add(() => redis.close());
  return { socketPath: redis.socketPath };
}

function deploymentOf(change: { readonly kind: string; readonly key: string; readonly value: unknown }): string {
  if (["revision", "decision", "config"].includes(change.kind)) return change.key.slice(0, change.key.indexOf("/"));
  if (change.kind !== "replica") return change.key;
  // A replica's id is its deployment's name and a random part without a hyphen.
  return (change.value as { readonly deployment: string } | undefined)?.deployment ?? change.key.slice(0, change.key.lastIndexOf("-"));
}

/** Written aside and moved into place, so that who waits for it never reads half of it. */
async function writeReadyFile(path: string, addresses: Addresses, closers: Closers): Promise<void> {
  const shown = { ...addresses, redis: hidePassword(addresses.redis) };
  await writeFile(`${path}.new`, `${JSON.stringify(shown)}\n`);
  await rename(`${path}.new`, path);
  closers.add(() => rm(path, { force: true }));
}
