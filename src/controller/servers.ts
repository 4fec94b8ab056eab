import { ControllerService } from "../../gen/drover/v1/controller_service_pb.ts";
import { ExternalScaler } from "../../gen/externalscaler/externalscaler_pb.ts";
import { Health } from "../../gen/health/v1/health_pb.ts";
import { ControllerApi } from "../api/controller-service.ts";
import { externalScaler } from "../api/external-scaler.ts";
import type { Clock, Random } from "../clock/clock.ts";
import { type Address, printAddress } from "../config/address.ts";
import type { ConnectionShares } from "../core/connection-limits.ts";
import { HttpServer } from "../dashboard/http-server.ts";
import type { Engine } from "../engine/engine.ts";
import type { Loads } from "../links/loads.ts";
import type { RouteTable } from "../links/route-table.ts";
import type { Log } from "../log/log.ts";
import { openSchedules } from "../loops/schedules.ts";
import { HealthService } from "../rpc/health.ts";
import { descriptorsOf, reflection } from "../rpc/reflection.ts";
import { apiRequestBounds } from "../rpc/request-bounds.ts";
import { decoderWithin } from "../rpc/request-decoder.ts";
import { RpcServer } from "../rpc/server.ts";
import type { BundleStore } from "../store/bundle-store.ts";
import type { Mirror } from "../store/mirror.ts";
import type { Store } from "../store/store.ts";
import { type Closable, openAll } from "./closers.ts";
import { crowdedText } from "./data-path.ts";

const apiGraceMs = 1_000;

export interface ServersParts {
  readonly config: {
    readonly api: Address;
    readonly http: Address;
    readonly httpNames: readonly string[];
    readonly messageBytesMax: number;
  };
  readonly store: Store;
  readonly mirror: Mirror;
  readonly bundles: BundleStore;
  readonly loads: Pick<Loads, "replica" | "deployment">;
  readonly routes: RouteTable;
  readonly engine: Pick<Engine, "room" | "logs" | "runsImages">;
  /** The process id of a replica. Undefined: not known. */
  readonly pid: (replicaId: string) => number | undefined;
  /** Connections that each port may have at the same time. Default: no bound of its own. */
  readonly connections?: ConnectionShares;
  /** How many errors nothing caught. */
  readonly faults?: () => number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** What clients call besides the gateway: the API, and HTTP for clients without gRPC. */
export interface Servers extends Closable {
  readonly api: string;
  readonly http: string;
}

/** Serves the API and HTTP. When it resolves, both listen. */
export function openServers({
  config,
  store,
  mirror,
  bundles,
  loads,
  routes,
  engine,
  pid,
  connections,
  faults,
  clock,
  random,
  log,
}: ServersParts): Promise<Servers> {
  return openAll(log, async (closers) => {
    const observed = { replica: (id: string) => loads.replica(id), deployment: (name: string) => loads.deployment(name), pid };
    const service = new ControllerApi({
      store,
      mirror,
      bundles,
      observed,
      routes,
      room: () => engine.room(),
      runsImages: engine.runsImages,
      logs: (id, options, stop) => engine.logs(id, options, stop),
      openSchedules,
      messageBytesMax: config.messageBytesMax,
      clock,
      random,
    });
    const health = new HealthService();
    const server = new RpcServer({
      implementations: [
        service.implementation,
        externalScaler({ mirror, observed, clock }),
        health.implementation,
        ...reflection(descriptorsOf([ControllerService, ExternalScaler, Health])),
      ],
      requestDecoder: decoderWithin(apiRequestBounds),
      log: log.child({ room: "api" }),
      ...(connections && { connectionsMax: connections.api }),
      onCrowded: (max) => log.warn({ port: "api", connectionsMax: max }, crowdedText),
      clock,
    });
    closers.add(async () => {
      health.set("", false);
      service.close();
      await server.close(apiGraceMs);
      health.close();
    });
    const api = await server.listen(printAddress(config.api));
    for (const name of ["", ControllerService.typeName, ExternalScaler.typeName]) health.set(name, true);
    const httpServer = new HttpServer({
      api,
      names: config.httpNames,
      log: log.child({ room: "dashboard" }),
      ...(connections && { connectionsMax: connections.http }),
      ...(faults && { faults }),
    });
    closers.add(() => httpServer.close());
    return { api, http: await httpServer.listen(printAddress(config.http)) };
  });
}
