import { rename, rm, writeFile } from "node:fs/promises";
import { realClock as clock, realRandom as random } from "../clock/real.ts";
import { fromThisMachine } from "../config/address.ts";
import { type Config, hidePassword } from "../config/config.ts";
import { connectionShares } from "../core/connection-limits.ts";
import type { CallsInWork } from "../core/traffic/calls-in-work.ts";
import { DiskReserve } from "../engine/local/disk-reserve.ts";
import { lockFolder } from "../engine/local/folder-lock.ts";
import type { ControllerAddresses } from "../engine/local/replica-env.ts";
import { createLog, type Log } from "../log/log.ts";
import { Closers } from "./closers.ts";
import { makeDataFolder, withRemedy } from "./data-folder.ts";
import { openDataPath } from "./data-path.ts";
import { openDeciding, openLease } from "./deciding.ts";
import { FaultGuard } from "./fault-guard.ts";
import { giveMemoryBack } from "./idle-memory.ts";
import { openCgroups, openEngine } from "./open-engine.ts";
import { openFilesMax } from "./open-files.ts";
import { openServers } from "./servers.ts";
import { openStorage } from "./storage.ts";

/** The addresses of a running controller. Written to the ready file. */
export interface Addresses {
  readonly api: string;
  readonly gateway: string;
  readonly http: string;
  readonly redis: string;
  readonly pid: number;
}

/** What a controller tells of its life, and how long it lives. */
export interface ControllerLife {
  /** Aborts when the controller is to end. */
  readonly ended: AbortSignal;
  /** Aborts when it is to end without waiting for requests in work. */
  readonly hastened: AbortSignal;
  /** Called once everything serves. */
  onReady(addresses: Addresses): void;
  /** Called with the requests in work when the controller begins to end, if there are any. */
  onWait(work: readonly CallsInWork[]): void;
}

/**
 * Runs a controller to its end. If the controller cannot start, the call fails and leaves nothing
 * behind.
 */
export async function runController(config: Config, life: ControllerLife): Promise<void> {
  const log = createLog(config.logLevel);
  const closers = new Closers(log);
  const guard = new FaultGuard(log);
  closers.add(() => guard.close());
  try {
    const addresses = await open(config, life, log, closers, guard).catch((cause) => Promise.reject(withRemedy(config.dataDir, cause)));
    if (config.readyFile !== undefined) await writeReadyFile(config.readyFile, addresses, closers);
    life.onReady(addresses);
    const { ended } = life;
    if (!ended.aborted) await new Promise<void>((resolve) => ended.addEventListener("abort", () => resolve(), { once: true }));
    log.info("stopping");
  } finally {
    await closers.close();
  }
}

/**
 * The parts of a controller. The last one opened is closed first: servers, then requests, then
 * replicas, then the state.
 */
async function open(config: Config, life: ControllerLife, log: Log, closers: Closers, guard: FaultGuard): Promise<Addresses> {
  await makeDataFolder(config.dataDir);
  // First: on a full disk, what follows needs the room that an earlier controller has reserved.
  const reserve = await DiskReserve.open({ folder: config.dataDir, clock, log: log.child({ room: "engine" }) });
  closers.add(() => reserve.close());
  const lock = await lockFolder(config.dataDir);
  closers.add(() => lock.release());
  if (config.readyFile !== undefined) await rm(config.readyFile, { force: true });

  const common = { config, clock, random, log };
  const cgroups = await openCgroups(config.dataDir);
  const storage = await openStorage({ ...common, log: log.child({ room: "store" }) });
  closers.add(() => storage.close());
  const { store, mirror, bundles, id, claim } = storage;
  // Known once the servers listen, which is before the first replica starts.
  let reached: ControllerAddresses | undefined;
  const { engine, pid } = await openEngine({ ...common, mirror, bundles, cgroups, controller: () => reached });
  closers.add(() => engine.close());

  const loopLog = log.child({ room: "loops" });
  const lease = openLease({ store, mirror, id, mayLead: () => claim.held, clock, log: loopLog });
  const onCold = (deployment: string) => deciding.autoscale.wake(deployment);
  const connections = connectionShares(await openFilesMax());
  const dataPath = await openDataPath({ ...common, mirror, lease, onCold, connectionsMax: connections.gateway });
  closers.add(() => dataPath.close());
  const deciding = openDeciding({
    ...{ ...common, store, mirror, bundles, engine, lease, port: dataPath.links, loads: dataPath.loads, log: loopLog },
    autoscaleCron: config.autoscaleCron,
    messageBytesMax: config.messageBytesMax,
    keepReplicas: config.keepReplicas,
  });
  let stoppingSinceMs = 0;
  const onWait = (work: readonly CallsInWork[]) => {
    for (const one of work) log.info(one, "waiting for requests in work");
    if (work.length > 0) life.onWait(work);
  };
  closers.add(() => deciding.close({ sinceMs: stoppingSinceMs, hastened: life.hastened, onWait }));
  closers.add(() => {
    stoppingSinceMs = clock.nowMs();
    return dataPath.drain(life.hastened, onWait);
  });
  const gateway = await dataPath.listen();
  const servers = await openServers({
    ...common,
    store,
    mirror,
    bundles,
    engine,
    loads: dataPath.loads,
    routes: dataPath.routes,
    pid,
    connections,
    faults: () => guard.faults,
  });
  closers.add(() => servers.close());

  claim.listens({ api: servers.api, gateway });
  reached = { api: fromThisMachine(servers.api), gateway: fromThisMachine(gateway) };

  // Only once everything listens: a controller that cannot start touches no replica.
  dataPath.begin();
  deciding.begin();
  const idle = new AbortController();
  const idleOver = giveMemoryBack(clock, idle.signal);
  closers.add(() => {
    idle.abort();
    return idleOver;
  });
  return { api: servers.api, gateway, http: servers.http, redis: storage.address, pid: process.pid };
}

/**
 * Written under another name and renamed, so that a program that waits for the file never reads
 * half of it.
 */
async function writeReadyFile(path: string, addresses: Addresses, closers: Closers): Promise<void> {
  const shown = { ...addresses, redis: hidePassword(addresses.redis) };
  await writeFile(`${path}.new`, `${JSON.stringify(shown)}\n`);
  await rename(`${path}.new`, path);
  closers.add(() => rm(path, { force: true }));
}
