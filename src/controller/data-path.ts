import { dirname, join } from "node:path";
import type { Clock, Random } from "../clock/clock.ts";
import type { Address } from "../config/address.ts";
import { printAddress } from "../config/address.ts";
import type { CallsInWork } from "../core/traffic/calls-in-work.ts";
import type { GatewayCounts } from "../core/traffic/load.ts";
import { prepareSocketFolder, socketPath } from "../engine/local/socket-path.ts";
import type { CallObserver } from "../gateway/call-observer.ts";
import type { Door } from "../gateway/door.ts";
import { Gateway } from "../gateway/gateway.ts";
import { LinkKeeper } from "../links/link-keeper.ts";
import { Loads } from "../links/loads.ts";
import { ReplicaLinks } from "../links/replica-links.ts";
import type { LiveReplicaPort } from "../links/replica-port.ts";
import { RouteTable } from "../links/route-table.ts";
import { wantedConfig } from "../links/wanted-config.ts";
import type { Log } from "../log/log.ts";
import type { LeaseKeeper } from "../loops/lease-keeper.ts";
import type { Mirror } from "../store/mirror.ts";
import { type Closable, openAll } from "./closers.ts";

/** Logged when a port has as many connections as it may have. */
export const crowdedText =
  "the port has all the connections that it may have; closing idle ones for new ones, refusing new ones if none is idle";

/**
 * How long answers may be on their way to callers while the controller stops. Requests in work have
 * the `graceful_shutdown_timeout` of their deployment.
 */
const answersMs = 10_000;

export interface RoutingParts {
  readonly mirror: Mirror;
  readonly lease: Pick<LeaseKeeper, "onLead">;
  readonly port: LiveReplicaPort;
  readonly gateways: GatewayCounts;
  /** The largest message of a request or its answer, in bytes. Default: 64 MiB. */
  readonly messageBytesMax?: number;
  readonly clock: Clock;
  readonly log: Log;
}

/** Routes and loads, kept up to date from the records and the links. */
export interface Routing extends Closable {
  readonly routes: RouteTable;
  readonly loads: Loads;
  readonly keeper: LinkKeeper;
  /** Starts to keep the links. */
  begin(): void;
}

export function openRouting({ mirror, lease, port, gateways, messageBytesMax, clock, log }: RoutingParts): Routing {
  const contact = (id: string) => port.contact(id);
  const routes = new RouteTable({ mirror, contact, reported: (id) => port.contact(id).load?.ongoing, messageBytesMax });
  const loads = new Loads({ mirror, contact, gateways, clock });
  const keeper = new LinkKeeper({ mirror, port, clock, log });
  const unsubscribe = [
    mirror.subscribe((event) => {
      if (event.kind === "reset") routes.reset();
      else if (event.deployment !== undefined) routes.changed(event.deployment);
      keeper.wake();
    }),
    port.onChange((deployment) => routes.changed(deployment)),
    port.onReport((replicaId, ongoing) => routes.report(replicaId, ongoing)),
  ];
  lease.onLead(() => keeper.wake());
  const end = new AbortController();
  let kept: Promise<void> = Promise.resolve();
  return {
    routes,
    loads,
    keeper,
    begin: () => {
      kept = keeper.run(end.signal);
    },
    close: async () => {
      for (const stop of unsubscribe) stop();
      end.abort();
      await kept;
    },
  };
}

export interface DataPathParts {
  readonly config: { readonly dataDir: string; readonly gateway: Address; readonly messageBytesMax: number };
  readonly mirror: Mirror;
  readonly lease: Pick<LeaseKeeper, "epoch" | "onLead">;
  /** Called for each request that comes while its deployment has no replica. */
  readonly onCold: (deployment: string) => void;
  /** Admits or refuses each call before it is routed. Default: admits all. */
  readonly door?: Door;
  /** Called at each step of a call. Default: none. */
  readonly observer?: CallObserver;
  /** Callers' connections at the same time. Default: no bound. */
  readonly connectionsMax?: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** The path of requests: links to replicas, routes, and the gateway. */
export interface DataPath extends Routing {
  readonly links: ReplicaLinks;
  /** Starts to listen, and returns the gateway's address. */
  listen(): Promise<string>;
  /**
   * Ends the gateway: new requests are refused, and present ones may finish within the
   * `graceful_shutdown_timeout` of their deployment, unless the signal aborts before. `onWait` is
   * called with what is waited for.
   */
  drain(hastened?: AbortSignal, onWait?: (work: readonly CallsInWork[]) => void): Promise<void>;
}

export function openDataPath({
  config,
  mirror,
  lease,
  onCold,
  door,
  observer,
  connectionsMax,
  clock,
  random,
  log,
}: DataPathParts): Promise<DataPath> {
  return openAll(log, async (closers) => {
    const counts: GatewayCounts = {
      queued: (deployment) => gateway.queued(deployment),
      ongoing: (replicaId) => gateway.ongoing(replicaId),
      ended: (replicaId) => gateway.ended(replicaId),
    };
    const linkLog = log.child({ room: "links" });
    const links = new ReplicaLinks({
      wanted: (replica) => wantedConfig(mirror, replica),
      epoch: () => lease.epoch,
      given: counts.ongoing,
      clock,
      log: linkLog,
    });
    closers.add(() => links.close());
    const { messageBytesMax } = config;
    const routing = openRouting({ mirror, lease, port: links, gateways: counts, messageBytesMax, clock, log: linkLog });
    closers.add(() => routing.close());
    const socket = socketPath(config.dataDir, join(config.dataDir, "run", "gateway.sock"));
    await prepareSocketFolder(socket);
    const gateway = new Gateway({
      routes: routing.routes,
      clock,
      random,
      log: log.child({ room: "gateway" }),
      socketFolder: dirname(socket),
      messageBytesMax,
      onCold,
      ...(door && { door }),
      ...(observer && { observer }),
      ...(connectionsMax !== undefined && { connectionsMax }),
      onCrowded: (max) => log.warn({ port: "gateway", connectionsMax: max }, crowdedText),
    });
    const graceMsOf = (name: string) => mirror.deployment(name)?.value.spec.gracefulShutdownTimeoutMs;
    const drain: DataPath["drain"] = (hastened, onWait) => {
      const closing = { graceMs: answersMs, graceMsOf, hastened };
      onWait?.(gateway.inWork(closing));
      return gateway.close(closing);
    };
    closers.add(() => drain());
    return { ...routing, links, listen: () => gateway.listen(printAddress(config.gateway)), drain };
  });
}
