import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { ControllerService } from "../../gen/drover/v1/controller_service_pb.ts";
import { ReplicaState } from "../../gen/drover/v1/deployment_pb.ts";
import { StoreTroubleKind } from "../../gen/drover/v1/facts_pb.ts";
import { Health, HealthCheckResponse_ServingStatus as ServingStatus } from "../../gen/health/v1/health_pb.ts";
import { realClock } from "../../src/clock/real.ts";
import { refusal, StatusError } from "../../src/core/errors.ts";
import { HttpServer } from "../../src/dashboard/http-server.ts";
import { silentLog } from "../../src/log/log.ts";
import { RpcServer } from "../../src/rpc/server.ts";
import { type Implementation, implement, type ServiceHandlers } from "../../src/rpc/service.ts";

type Controller = Pick<ServiceHandlers<typeof ControllerService>, "listDeployments" | "listReplicas" | "getCluster">;

const none: Controller = { listDeployments: () => ({}), listReplicas: () => ({}), getCluster: () => ({}) };

/** An HTTP server in front of a controller API with the given answers; returns its URL. */
async function serve(status: () => ServingStatus, controller: Controller = none, names: readonly string[] = []): Promise<string> {
  const unimplemented = () => {
    throw new StatusError("UNIMPLEMENTED", "not in this test");
  };
  const rest = Object.fromEntries(ControllerService.methods.map(({ localName }) => [localName, unimplemented]));
  const implementations: readonly Implementation[] = [
    implement(ControllerService, { ...rest, ...controller } as ServiceHandlers<typeof ControllerService>),
    implement(Health, { check: () => ({ status: status() }), list: unimplemented, watch: unimplemented } as ServiceHandlers<typeof Health>),
  ];
  const server = new RpcServer({ implementations, log: silentLog, clock: realClock });
  const api = await server.listen("127.0.0.1:0");
  onTestFinished(() => server.close(0));
  return listen(api, names);
}

async function listen(api: string, names: readonly string[] = []): Promise<string> {
  const http = new HttpServer({ api, names, log: silentLog });
  onTestFinished(() => http.close());
  return `http://${await http.listen("127.0.0.1:0")}`;
}

async function get(url: string, init?: RequestInit): Promise<readonly [status: number, text: string]> {
  const response = await fetch(url, init);
  return [response.status, await response.text()];
}

test("health is the controller API's", async () => {
  let status: ServingStatus = ServingStatus.SERVING;
  const url = await serve(() => status);
  expect(await get(`${url}/healthz`)).toEqual([200, "ok\n"]);
  expect(await get(`${url}/healthz?verbose`)).toEqual([200, "ok\n"]);
  status = ServingStatus.NOT_SERVING;
  expect(await get(`${url}/healthz`)).toEqual([503, "not serving\n"]);
});

test("where the controller API does not answer, neither health nor metrics are invented", async () => {
  const url = await listen("127.0.0.1:1");
  expect(await get(`${url}/healthz`)).toEqual([503, "the controller API does not answer\n"]);
  expect(await get(`${url}/metrics`)).toEqual([503, "the controller API does not answer\n"]);
  const failing = await serve(() => ServingStatus.SERVING, {
    ...none,
    listReplicas: () => Promise.reject(refusal("STORE_UNAVAILABLE", "away")),
  });
  expect((await get(`${failing}/metrics`))[0]).toBe(503);
});

test("metrics are those of all pages, in Prometheus's text format", async () => {
  const url = await serve(() => ServingStatus.SERVING, {
    ...none,
    listDeployments: ({ pageToken }) =>
      pageToken === ""
        ? {
            deployments: [
              { spec: { name: "a" }, status: { targetReplicas: 3, runningReplicas: 2, ongoingRequests: 7n, queuedRequests: 1n } },
            ],
            nextPageToken: "b",
          }
        : { deployments: [{ spec: { name: 'b"\\\n' }, status: {} }] },
    listReplicas: () => ({
      replicas: [
        { deployment: "a", state: ReplicaState.RUNNING },
        { deployment: "a", state: ReplicaState.RUNNING },
        { deployment: "a", state: ReplicaState.PENDING },
      ],
    }),
  });
  const response = await fetch(`${url}/metrics`);
  expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  const text = await response.text();
  expect(text.split("\n").slice(0, 4)).toEqual([
    "# HELP drover_deployment_target_replicas Replicas wanted.",
    "# TYPE drover_deployment_target_replicas gauge",
    'drover_deployment_target_replicas{deployment="a"} 3',
    'drover_deployment_target_replicas{deployment="b\\"\\\\\\n"} 0',
  ]);
  for (const line of [
    'drover_deployment_running_replicas{deployment="a"} 2',
    'drover_deployment_ongoing_requests{deployment="a"} 7',
    'drover_deployment_queued_requests{deployment="a"} 1',
    'drover_replicas{deployment="a",state="RUNNING"} 2',
    'drover_replicas{deployment="a",state="PENDING"} 1',
    'drover_replicas{deployment="a",state="FAILED"} 0',
  ])
    expect(text).toContain(`\n${line}\n`);
});

test("what is wrong with the store is in health, which stays good, and in the metrics, while it lasts", async () => {
  let storeTrouble: { readonly kind: StoreTroubleKind; readonly message: string } | undefined = {
    kind: StoreTroubleKind.DISK_FAILING,
    message: "no room",
  };
  const url = await serve(() => ServingStatus.SERVING, { ...none, getCluster: () => (storeTrouble === undefined ? {} : { storeTrouble }) });
  expect(await get(`${url}/healthz`)).toEqual([200, expect.stringMatching(/^ok.*no room/)]);
  const lines = async () => (await get(`${url}/metrics`))[1].split("\n");
  expect(await lines()).toContain('drover_store_trouble{kind="DISK_FAILING"} 1');
  expect(await lines()).toContain('drover_store_trouble{kind="AWAY"} 0');
  storeTrouble = undefined;
  expect(await get(`${url}/healthz`)).toEqual([200, "ok\n"]);
  expect(await lines()).toContain('drover_store_trouble{kind="DISK_FAILING"} 0');
});

test("the index says what there is; anything else is not found, and nothing can be changed", async () => {
  const url = await serve(() => ServingStatus.SERVING);
  expect(await get(url)).toEqual([200, expect.stringContaining("/metrics")]);
  expect(await get(`${url}/`, { method: "HEAD" })).toEqual([200, ""]);
  expect((await get(`${url}/etc/passwd`))[0]).toBe(404);
  expect((await get(`${url}/metrics`, { method: "POST", body: "x" }))[0]).toBe(405);
});

test("closing ends requests in work, and the port is free again", async () => {
  const left: Promise<unknown>[] = [];
  let arrived: () => void = () => {};
  const arriving = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const controller = {
    ...none,
    listDeployments: (_: unknown, { signal }: { readonly signal: AbortSignal }) => {
      arrived();
      const gone = new Promise<object>((resolve) => signal.addEventListener("abort", () => resolve({})));
      left.push(gone);
      return gone;
    },
  };
  const server = new RpcServer({
    implementations: [implement(ControllerService, controller as unknown as ServiceHandlers<typeof ControllerService>)].map((given) => ({
      ...given,
      handlers: { ...Object.fromEntries(ControllerService.methods.map(({ localName }) => [localName, () => ({})])), ...given.handlers },
    })),
    log: silentLog,
    clock: realClock,
  });
  const api = await server.listen("127.0.0.1:0");
  onTestFinished(() => server.close(0));
  const http = new HttpServer({ api, log: silentLog });
  const address = await http.listen("127.0.0.1:0");
  const asked = fetch(`http://${address}/metrics`).catch(() => "cut");
  await arriving;
  await http.close();
  expect(await asked).toBe("cut");
  await Promise.all(left);
  const next = new HttpServer({ api, log: silentLog });
  expect(await next.listen(address)).toBe(address);
  await next.close();
});

/** Sends text to the server; returns all that it answers until it ends the connection. */
async function exchange(url: string, ...lines: readonly string[]): Promise<string> {
  const socket = open(url);
  socket.write(lines.map((line) => `${line}\r\n`).join(""));
  return (await socket.setEncoding("utf8").toArray()).join("");
}

function open(url: string): Socket {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on("error", () => {}); // the server ends it
  onTestFinished(() => void socket.destroy());
  return socket;
}

const serving = () => ServingStatus.SERVING;
const more = 300;

test("connections that are silent, or send half a head, keep nobody out, and end", async () => {
  const url = await serve(serving);
  const sockets = Array.from({ length: 2 * more }, () => open(url));
  await Promise.all(
    sockets.map(async (socket, at) => {
      await once(socket, "connect");
      if (at % 2 === 0) await new Promise((done) => socket.write("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ", done));
    }),
  );
  for (let n = 0; n < 20; n++) expect(await get(`${url}/healthz`, { headers: { connection: "close" } })).toEqual([200, "ok\n"]);
  await Promise.all(sockets.map((socket) => socket.closed || once(socket.resume(), "close")));
});

test("requests that are not answered yet keep nobody out", async () => {
  const url = await serve(serving, { ...none, listDeployments: () => new Promise(() => {}) });
  const sockets = Array.from({ length: more }, () => open(url));
  for (const socket of sockets) socket.write("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await Promise.all(sockets.map((socket) => once(socket, "connect")));
  expect(await get(`${url}/healthz`)).toEqual([200, "ok\n"]);
});

test("a request for the host of another is refused, whatever it asks for", async () => {
  const url = await serve(serving, none, ["Metrics.Example.com"]);
  const { host, port } = new URL(url);
  const status = async (...lines: readonly string[]) =>
    Number(/^HTTP\/1\.1 (\d+)/.exec(await exchange(url, "GET /metrics HTTP/1.1", "Connection: close", ...lines, ""))?.[1]);
  for (const own of [host, `localhost:${port}`, "LOCALHOST.", "[::1]:80", "10.0.0.7", "metrics.example.com:80"])
    expect([own, await status(`Host: ${own}`)]).toEqual([own, 200]);
  for (const foreign of [
    "evil.example",
    `evil.example:${port}`,
    "localhost.evil.example",
    "evil.example:localhost",
    "127.0.0.1.evil.example",
    "",
  ])
    expect([foreign, await status(`Host: ${foreign}`)]).toEqual([foreign, 421]);
  expect(await status(`Host: ${host}`, "Host: evil.example")).toBe(400);
  expect(await status(`Host: ${host}`, `Host: ${host}`)).toBe(400);
  expect(await exchange(url, "GET /healthz HTTP/1.0", "")).toMatch(/^HTTP\/1\.1 200 /);
});

test("an upgrade to another protocol is answered as any request, and the connection ends", async () => {
  const url = await serve(serving);
  const ask = ["GET / HTTP/1.1", "Host: localhost", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", ""];
  expect(await exchange(url, ...ask)).toMatch(/^HTTP\/1\.1 200 .*\r\nconnection: close\r\n/is);
});

test("a port that is taken, and an address that is none, are refused with their name", async () => {
  const url = await listen("127.0.0.1:1");
  const taken = url.slice("http://".length);
  const http = new HttpServer({ api: "127.0.0.1:1", log: silentLog });
  onTestFinished(() => http.close());
  await expect(http.listen(taken)).rejects.toThrow(`cannot listen at ${taken}: `);
  await expect(http.listen("nowhere")).rejects.toThrow('cannot listen at nowhere: must be "host:port"');
});
