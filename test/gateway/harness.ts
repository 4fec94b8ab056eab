import { once } from "node:events";
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  createServer,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo } from "node:net";
import { fromBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import type { Clock } from "../../src/clock/clock.ts";
import { realClock, realRandom } from "../../src/clock/real.ts";
import type { Endpoint, Route } from "../../src/core/traffic/route.ts";
import { Gateway, type GatewayOptions } from "../../src/gateway/gateway.ts";
import type { Routes } from "../../src/gateway/routes.ts";
import { silentLog } from "../../src/log/log.ts";

/** The bound on messages of the gateway and its deployments, where a test sets no other. */
export const messageBytesMax = 8 * 1024 * 1024;

/** Routes that a test sets. */
export class TestRoutes implements Routes {
  readonly #routes = new Map<string, Route>();
  readonly #listeners = new Set<(deployment: string) => void>();
  readonly #reports = new Map<string, number>();
  readonly #reportListeners = new Set<(replicaId: string, ongoing: number) => void>();

  set(deployment: string, endpoints: readonly Endpoint[], options: Partial<Route> = {}): void {
    const defaults = {
      services: ["test.Echo"],
      maxOngoingRequests: 5,
      maxQueuedRequests: undefined,
      messageBytesMax,
      requestTimeoutMs: 0,
    };
    this.#routes.set(deployment, { ...defaults, ...this.#routes.get(deployment), ...options, deployment, endpoints });
    this.#changed(deployment);
  }

  delete(deployment: string): void {
    this.#routes.delete(deployment);
    this.#changed(deployment);
  }

  get(deployment: string): Route | undefined {
    return this.#routes.get(deployment);
  }

  serving(service: string): readonly string[] {
    return this.all()
      .filter(({ services }) => services.includes(service))
      .map(({ deployment }) => deployment);
  }

  all(): readonly Route[] {
    return [...this.#routes.values()];
  }

  onChange(listener: (deployment: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  reported(replicaId: string): number | undefined {
    return this.#reports.get(replicaId);
  }

  onReport(listener: (replicaId: string, ongoing: number) => void): () => void {
    this.#reportListeners.add(listener);
    return () => this.#reportListeners.delete(listener);
  }

  /** The replica reports so many requests in work. */
  report(replicaId: string, ongoing: number): void {
    this.#reports.set(replicaId, ongoing);
    for (const listener of this.#reportListeners) listener(replicaId, ongoing);
  }

  #changed(deployment: string): void {
    for (const listener of this.#listeners) listener(deployment);
  }
}

export function endpoint(replicaId: string, address = `unix:/${replicaId}`, more: Partial<Endpoint> = {}): Endpoint {
  return { replicaId, address, invocable: true, ...more };
}

/** A peer that sends and takes what HTTP/2 allows. */
const lenient = {
  maxHeaderListPairs: 4_000,
  maxSendHeaderBlockLength: 1 << 21,
  strictSingleValueFields: false,
  strictFieldWhitespaceValidation: false,
};

export type OnCall = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, rawHeaders: readonly string[]) => void;

/** A replica made of nothing but node:http2. */
export interface RawReplica extends AsyncDisposable {
  readonly address: string;
  readonly sessions: ReadonlySet<ServerHttp2Session>;
  /** The calls that reached it. */
  readonly calls: number;
  close(): Promise<void>;
}

export async function rawReplica(
  onCall: OnCall,
  listenAt: { readonly path: string } | { readonly port: number } = { port: 0 },
): Promise<RawReplica> {
  const sessions = new Set<ServerHttp2Session>();
  let calls = 0;
  const server = createServer({ ...lenient, settings: { initialWindowSize: 1 << 20, maxHeaderListSize: 1 << 20 } });
  server.on("session", (session) => {
    sessions.add(session);
    session.on("error", () => {});
    session.once("close", () => sessions.delete(session));
  });
  server.on("sessionError", () => {});
  server.on("stream", (stream, headers, _flags, rawHeaders) => {
    calls++;
    stream.on("error", () => {});
    onCall(stream, headers, rawHeaders as string[]);
  });
  server.listen("path" in listenAt ? listenAt : { ...listenAt, host: "127.0.0.1" });
  await once(server, "listening");
  const close = async () => {
    const closed = server.listening ? once(server, "close") : undefined;
    if (closed) server.close();
    for (const session of sessions) session.destroy();
    await closed;
  };
  return {
    address: "path" in listenAt ? `unix:${listenAt.path}` : `127.0.0.1:${(server.address() as AddressInfo).port}`,
    sessions,
    get calls() {
      return calls;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Answers a raw call: `messages` as they are, then status OK. */
export function answer(
  stream: ServerHttp2Stream,
  body: Uint8Array = frame("ok"),
  trailers: OutgoingHttpHeaders = { "grpc-status": "0" },
): void {
  if (stream.destroyed || stream.closed) return;
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.once("wantTrailers", () => stream.sendTrailers(trailers));
  stream.end(body);
}

/** Refuses a raw call, as a replica that does not take it. */
export function refuse(stream: ServerHttp2Stream, why: "busy" | "draining"): void {
  const status = { ":status": 200, "content-type": "application/grpc", "grpc-status": "8", "drover-refused": why };
  stream.respond(status, { endStream: true });
}

/** One gRPC message on the wire. */
export function frame(message: string | Uint8Array, compressed = false): Buffer {
  const bytes = Buffer.from(message);
  const prefix = Buffer.alloc(5);
  prefix[0] = compressed ? 1 : 0;
  prefix.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([prefix, bytes]);
}

/** All a raw caller got. */
export interface Answer {
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly trailers: IncomingHttpHeaders | undefined;
  readonly rawTrailers: readonly string[];
  readonly body: Buffer;
  readonly resetCode: number;
  readonly status: number | undefined;
  readonly reason: string | undefined;
  readonly message: string;
  readonly fields: readonly string[];
  readonly retryAfterMs: number | undefined;
}

/** A caller made of nothing but node:http2: one connection. */
export class RawCaller implements AsyncDisposable {
  readonly session: ClientHttp2Session;

  constructor(address: string) {
    this.session = connect(`http://${address}`, { ...lenient, settings: { initialWindowSize: 1 << 20, maxHeaderListSize: 1 << 20 } });
    this.session.on("error", () => {});
  }

  open(path: string, headers: OutgoingHttpHeaders = {}): ClientHttp2Stream {
    const stream = this.session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
      ...headers,
    });
    stream.on("error", () => {});
    return stream;
  }

  call(path: string, headers: OutgoingHttpHeaders = {}, body: Uint8Array = frame("hello")): Promise<Answer> {
    const stream = this.open(path, headers);
    const done = answered(stream);
    stream.end(body);
    return done;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.session.destroyed) return;
    const closed = new Promise<void>((resolve) => this.session.once("close", () => resolve()));
    this.session.destroy();
    await closed;
  }
}

/** Waits for a raw call's end. */
export function answered(stream: ClientHttp2Stream): Promise<Answer> {
  return new Promise((resolve) => {
    let headers: IncomingHttpHeaders = {};
    let rawHeaders: readonly string[] = [];
    let trailers: IncomingHttpHeaders | undefined;
    let rawTrailers: readonly string[] = [];
    const chunks: Buffer[] = [];
    stream.on("response", (given: IncomingHttpHeaders, _flags: number, raw?: string[]) => {
      headers = given;
      rawHeaders = raw ?? [];
    });
    stream.on("trailers", (given: IncomingHttpHeaders, _flags: number, raw?: string[]) => {
      trailers = given;
      rawTrailers = raw ?? [];
    });
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.once("close", () => {
      const end = trailers ?? headers;
      const status = end["grpc-status"] === undefined ? undefined : Number(end["grpc-status"]);
      const message = decodeURIComponent(String(end["grpc-message"] ?? ""));
      const resetCode = stream.rstCode ?? 0;
      resolve({ headers, rawHeaders, trailers, rawTrailers, body: Buffer.concat(chunks), resetCode, status, message, ...details(end) });
    });
  });
}

function details(end: IncomingHttpHeaders): Pick<Answer, "reason" | "fields" | "retryAfterMs"> {
  const bytes = Buffer.from(String(end["grpc-status-details-bin"] ?? ""), "base64");
  const all = fromBinary(StatusSchema, bytes).details;
  const info = all.map((one) => anyUnpack(one, ErrorInfoSchema)).find((one) => one !== undefined);
  const bad = all.map((one) => anyUnpack(one, BadRequestSchema)).find((one) => one !== undefined);
  const retry = all.map((one) => anyUnpack(one, RetryInfoSchema)).find((one) => one !== undefined)?.retryDelay;
  return {
    reason: info?.reason,
    fields: bad?.fieldViolations.map(({ field }) => field) ?? [],
    retryAfterMs: retry && Number(retry.seconds) * 1_000 + retry.nanos / 1e6,
  };
}

/** A gateway with its routes and one caller. */
export interface House extends AsyncDisposable {
  readonly routes: TestRoutes;
  readonly gateway: Gateway;
  readonly address: string;
  readonly caller: RawCaller;
}

export async function house(clock: Clock = realClock, more: Pick<GatewayOptions, "door" | "observer"> = {}): Promise<House> {
  const routes = new TestRoutes();
  const gateway = new Gateway({ routes, clock, random: realRandom, log: silentLog, messageBytesMax, ...more });
  const address = await gateway.listen("127.0.0.1:0");
  const caller = new RawCaller(address);
  const close = async () => {
    await caller[Symbol.asyncDispose]();
    await gateway.close(0);
  };
  return { routes, gateway, address, caller, [Symbol.asyncDispose]: close };
}

/** A promise with its ends. */
export function deferred<T = void>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  return Promise.withResolvers<T>();
}
