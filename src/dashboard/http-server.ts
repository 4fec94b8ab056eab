import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { ControllerService } from "../../gen/drover/v1/controller_service_pb.ts";
import type { Deployment, Replica } from "../../gen/drover/v1/deployment_pb.ts";
import type { StoreTrouble } from "../../gen/drover/v1/facts_pb.ts";
import { Health, HealthCheckResponse_ServingStatus as ServingStatus } from "../../gen/health/v1/health_pb.ts";
import { parseAddress, printAddress } from "../config/address.ts";
import type { Log } from "../log/log.ts";
import { Channel } from "../rpc/channel.ts";
import { everyPage } from "../rpc/every-page.ts";
import type { CallOptions, Client } from "../rpc/service.ts";
import { boundConnections } from "./http-connections.ts";
import { metricsText } from "./metrics.ts";
import { judgeHost } from "./own-host.ts";

const healthMs = 2_000;
const metricsMs = 5_000;
/** How long a connection may take for the head of a request, also for its first one. */
const headMs = 5_000;
/** How long a whole request may take to come, and an answer that is not read may lie. */
const requestMs = 10_000;
/** How long a connection without a request is kept. */
const idleMs = 5_000;
/** How often these bounds are checked. */
const checkMs = 1_000;
const connectionsMax = 256;
const messageBytesMax = 64 * 1024 * 1024;

const index = `Drover

/healthz  200 while the controller serves, else 503
/metrics  for Prometheus
`;

export interface HttpServerOptions {
  /** The controller API, `host:port`. */
  readonly api: string;
  /** Names of this server besides `localhost`, for which requests are answered. Default: none. */
  readonly names?: readonly string[];
  readonly log: Pick<Log, "warn">;
  /** Connections at the same time. Default: {@link connectionsMax}. */
  readonly connectionsMax?: number;
  /** How many errors nothing in the controller caught. Default: not shown. */
  readonly faults?: () => number;
}

/** Serves health and metrics over HTTP, from the controller API alone. */
export class HttpServer {
  readonly #channel: Channel;
  readonly #controller: Client<typeof ControllerService>;
  readonly #health: Client<typeof Health>;
  readonly #log: Pick<Log, "warn">;
  #names: readonly string[];
  readonly #server: Server;
  readonly #faults: (() => number) | undefined;
  readonly #closed = new AbortController();

  constructor({ api, names = [], log, faults, connectionsMax: most = connectionsMax }: HttpServerOptions) {
    this.#names = names;
    this.#faults = faults;
    this.#channel = new Channel(api, { messageBytesMax });
    this.#controller = this.#channel.client(ControllerService);
    this.#health = this.#channel.client(Health);
    this.#log = log;
    this.#server = createServer(
      { requestTimeout: requestMs, headersTimeout: headMs, keepAliveTimeout: idleMs, connectionsCheckingInterval: checkMs },
      (request, response) => void this.#answer(request, response),
    );
    this.#server.setTimeout(requestMs);
    boundConnections(this.#server, most);
  }

  /**
   * Starts to serve at `host:port` (port 0: any free port) and returns the address. Throws an Error
   * that says what to change.
   */
  async listen(address: string): Promise<string> {
    const wanted = parseAddress(address);
    if (typeof wanted === "string") throw new Error(`cannot listen at ${address}: ${wanted}`);
    this.#names = [...this.#names, wanted.host];
    await new Promise<void>((resolve, reject) => {
      const failed = (cause: Error) => reject(new Error(`cannot listen at ${address}: ${cause.message}`, { cause }));
      this.#server.once("error", failed);
      this.#server.listen(wanted.port, wanted.host, () => {
        this.#server.off("error", failed);
        resolve();
      });
    });
    return printAddress({ host: wanted.host, port: (this.#server.address() as AddressInfo).port });
  }

  /** Ends the server with all its connections; resolves when none is left. */
  async close(): Promise<void> {
    this.#closed.abort();
    const over = this.#server.listening ? new Promise<void>((resolve) => this.#server.close(() => resolve())) : undefined;
    this.#server.closeAllConnections();
    await over;
    this.#channel.close();
  }

  /** Never rejects. */
  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "GET", url = "/" } = request;
    request.resume();
    const host = judgeHost(request.rawHeaders, this.#names);
    if (host === "several") return refuse(response, method, 400, "a request has one Host line, not several\n");
    if (host === "foreign") return refuse(response, method, 421, `${foreignText(request.headers.host)}\n`);
    if (request.headers.upgrade !== undefined) response.setHeader("connection", "close"); // no other protocol is spoken here
    if (method !== "GET" && method !== "HEAD")
      return refuse(response, method, 405, `no ${method} here, only GET\n`, { allow: "GET, HEAD" });
    const path = url.replace(/[?#].*$/s, "");
    try {
      if (path === "/") send(response, method, 200, index);
      else if (path === "/healthz") await this.#answerHealth(response, method);
      else if (path === "/metrics")
        send(response, method, 200, await this.#metrics(), { "content-type": "text/plain; version=0.0.4; charset=utf-8" });
      else send(response, method, 404, "no such path; / lists the paths\n");
    } catch (error) {
      if (!this.#closed.signal.aborted) this.#log.warn({ path, error: String(error) }, "controller API did not answer; replying 503");
      send(response, method, 503, "the controller API does not answer\n");
    }
  }

  async #answerHealth(response: ServerResponse, method: string): Promise<void> {
    const { status } = await this.#health.check({ service: "" }, this.#within(healthMs));
    if (status !== ServingStatus.SERVING) return send(response, method, 503, "not serving\n");
    // Requests to deployments go on without the store, so that its trouble is no reason to restart.
    const trouble = await this.#storeTrouble(healthMs).catch(() => undefined);
    send(response, method, 200, trouble === undefined ? "ok\n" : `ok, but the controller cannot act: ${trouble.message}\n`);
  }

  async #metrics(): Promise<string> {
    const within = this.#within(metricsMs);
    const deployments: Deployment[] = [];
    const replicas: Replica[] = [];
    for await (const page of everyPage((pageToken) => this.#controller.listDeployments({ pageToken, pageSize: 1_000 }, within)))
      deployments.push(...page.deployments);
    for await (const page of everyPage((pageToken) => this.#controller.listReplicas({ pageToken, pageSize: 1_000 }, within)))
      replicas.push(...page.replicas);
    return metricsText(deployments, replicas, await this.#storeTrouble(metricsMs), this.#faults?.());
  }

  async #storeTrouble(deadlineMs: number): Promise<StoreTrouble | undefined> {
    return (await this.#controller.getCluster({}, this.#within(deadlineMs))).storeTrouble;
  }

  #within(deadlineMs: number): CallOptions {
    return { signal: this.#closed.signal, deadlineMs };
  }
}

const foreignText = (host = ""): string =>
  `this server does not answer for the host ${JSON.stringify(host)}: use its address, or start the controller with --http-name and that name`;

/** Answers and ends the connection. */
function refuse(...[response, method, status, text, headers]: Parameters<typeof send>): void {
  send(response, method, status, text, { connection: "close", ...headers });
}

function send(
  response: ServerResponse,
  method: string,
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  if (response.destroyed) return;
  response.writeHead(status, {
    "content-type": "text/plain; charset=utf-8",
    "content-length": Buffer.byteLength(text),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    ...headers,
  });
  response.end(method === "HEAD" ? undefined : text);
}
