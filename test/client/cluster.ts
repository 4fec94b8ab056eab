import { join } from "node:path";
import { onTestFinished } from "vitest";
import { ControllerService } from "../../gen/drover/v1/controller_service_pb.ts";
import { ReaderTurns } from "../../src/api/reader-turns.ts";
import { endpointHandlers } from "../../src/api/watch-endpoints.ts";
import { connect } from "../../src/client/index.ts";
import { realClock, realRandom } from "../../src/clock/real.ts";
import { refusal } from "../../src/core/errors.ts";
import type { Route } from "../../src/core/traffic/route.ts";
import { Gateway } from "../../src/gateway/gateway.ts";
import { silentLog } from "../../src/log/log.ts";
import { RpcServer } from "../../src/rpc/server.ts";
import { implement, type ServiceHandlers } from "../../src/rpc/service.ts";
import { TestRoutes } from "../gateway/harness.ts";
import { temporaryFolder } from "../replica/harness.ts";

/**
 * A gateway, the API's watch of endpoints, and a connection to both. The test says where replicas
 * are.
 */
export async function openCluster() {
  const routes = new TestRoutes();
  const cold: string[] = [];
  const folder = await temporaryFolder();
  const gateway = new Gateway({
    routes,
    clock: realClock,
    random: realRandom,
    log: silentLog,
    socketFolder: folder,
    onCold: (name) => cold.push(name),
  });
  const addresses = { api: `unix:${join(folder, "api.sock")}`, gateway: await gateway.listen(`unix:${join(folder, "gateway-test.sock")}`) };
  let api = await serveApi(routes, addresses.api);
  const connection = connect(addresses);
  onTestFinished(async () => {
    await connection.close();
    await api.close();
    await gateway.close(0);
  });
  return {
    gateway,
    connection,
    addresses,
    /** The deployments that had no replica when a call came to the gateway. */
    cold,
    /** The names that each watch so far has asked for. */
    watched: () => api.watched,
    /** Sets where the replicas of a deployment are. */
    route: (name: string, addresses: readonly string[], options: Partial<Route> = {}) =>
      routes.set(
        name,
        addresses.map((address) => ({ replicaId: `${name}-at-${address}`, address, invocable: true })),
        { maxOngoingRequests: 100, requestTimeoutMs: undefined, ...options },
      ),
    stopApi: () => api.close(),
    startApi: async () => {
      api = await serveApi(routes, addresses.api);
    },
  };
}

type Handlers = ServiceHandlers<typeof ControllerService>;

async function serveApi(routes: TestRoutes, address: string) {
  const closing = new AbortController();
  const watched: (readonly string[])[] = [];
  const { watchEndpoints } = endpointHandlers({ routes, turns: new ReaderTurns(), closing: closing.signal } as never);
  const others = Object.fromEntries(
    ControllerService.methods.map(({ localName }) => [localName, () => Promise.reject(refusal("INTERNAL", localName))]),
  );
  const watch: Handlers["watchEndpoints"] = (request, context) => {
    watched.push(request.names);
    return watchEndpoints(request, context);
  };
  const implementation = implement(ControllerService, { ...others, watchEndpoints: watch } as unknown as Handlers);
  const server = new RpcServer({ implementations: [implementation], log: silentLog, clock: realClock });
  await server.listen(address);
  return {
    watched,
    close: () => {
      closing.abort();
      return server.close(0);
    },
  };
}
