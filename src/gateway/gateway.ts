import { createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import type { Clock, Random } from "../clock/clock.ts";
import { refusal } from "../core/errors.ts";
import type { Log } from "../log/log.ts";
import { internalText } from "../rpc/status.ts";
import { retryMaxMs, shuttingDown } from "./denials.ts";
import { Dispatcher } from "./dispatcher.ts";
import { KeptPool } from "./kept-request.ts";
import { OwnServices } from "./own/own-services.ts";
import type { Place } from "./place.ts";
import { Relay } from "./relay.ts";
import type { GatewayLoad, Routes } from "./routes.ts";
import { joinAddress, splitAddress } from "./wire/address.ts";
import {
  Connection,
  connectionWindowBytes,
  headerBytesMax,
  headerSendBytesMax,
  sessionMemoryMb,
  streamWindowBytes,
} from "./wire/connection.ts";

/** Calls that one connection may have open. */
const callsPerConnectionMax = 100_000;
/** How many calls a connection may reset: at once, and each second. Callers that leave are no attack. */
const resetsMax = { burst: 100_000, rate: 10_000 };
/** How long, after the grace period, the last answers may take to reach their callers. */
const flushMs = 500;

export interface GatewayOptions {
  readonly routes: Routes;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /**
   * The folder of the socket `gateway.sock`, by which the gateway reaches its own services. It is there, and no other gateway's.
   * Unset: a new one among the temporary files, which stays there if the process is killed.
   */
  readonly socketFolder?: string | undefined;
  /** Told of each request that came while its deployment had no replica. */
  readonly onCold?: (deployment: string) => void;
}

/** Takes calls from anybody and brings each to a replica of the deployment it is for. */
export class Gateway implements GatewayLoad {
  readonly #options: GatewayOptions;
  readonly #dispatcher: Dispatcher;
  readonly #server: Http2Server;
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #connections = new Map<Place, Connection>();
  /** All not yet closed, those that take nothing new included. */
  readonly #open = new Set<Connection>();
  readonly #relays = new Set<Relay>();
  #own: OwnServices | undefined;
  #ownConnection: Connection | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: GatewayOptions) {
    this.#options = options;
    const { routes, clock, random, log, onCold = () => {} } = options;
    this.#dispatcher = new Dispatcher({ routes, clock, random, onGone: (place) => this.#forget(place), onCold });
    const house = {
      routes,
      clock,
      log,
      dispatcher: this.#dispatcher,
      keptPool: new KeptPool(),
      connectionTo: (place: Place) => this.#connectionTo(place),
      ownConnection: () => this.#connectionToOwn(),
    };
    this.#server = createServer({
      maxSessionMemory: sessionMemoryMb,
      maxSendHeaderBlockLength: headerSendBytesMax,
      settings: { initialWindowSize: streamWindowBytes, maxConcurrentStreams: callsPerConnectionMax, maxHeaderListSize: headerBytesMax },
      streamResetBurst: resetsMax.burst,
      streamResetRate: resetsMax.rate,
    });
    this.#server.on("session", (session) => this.#onSession(session));
    this.#server.on("stream", (stream: ServerHttp2Stream, _headers, _flags, rawHeaders: string[]) => {
      const relay = new Relay(house, stream, rawHeaders);
      this.#relays.add(relay);
      stream.once("close", () => this.#relays.delete(relay));
      try {
        relay.start();
      } catch (error) {
        log.error({ err: error }, "a call could not be relayed");
        relay.fail(refusal("INTERNAL", internalText));
      }
    });
    // What a caller does wrong on its connection ends that connection, and nothing else.
    this.#server.on("sessionError", (error: Error) => log.debug({ cause: error.message }, "a caller's connection failed"));
    this.#server.on("clientError", (_error, socket) => socket.destroy());
  }

  /** Starts to serve at `host:port` (port 0: any free one) or `unix:/path`; gives the address bound. Fails where that is not possible. */
  async listen(address: string): Promise<string> {
    const target = splitAddress(address);
    this.#own = await OwnServices.start(this.#options);
    try {
      await new Promise<void>((resolve, reject) => {
        this.#server.once("error", (cause) => reject(new Error(`cannot listen at ${address}: ${cause.message}`, { cause })));
        this.#server.listen("path" in target ? { path: target.path } : { ...target, host: target.host }, resolve);
      });
    } catch (error) {
      await this.#own.close();
      this.#own = undefined;
      throw error;
    }
    this.#server.removeAllListeners("error");
    this.#server.on("error", (error) => this.#options.log.error({ err: error }, "the gateway's server failed"));
    if ("path" in target) return address;
    return joinAddress({ host: target.host, port: (this.#server.address() as AddressInfo).port });
  }

  /**
   * Ends the gateway, and resolves when its last connection is closed. New connections and calls are refused and those that wait answered
   * SHUTTING_DOWN at once; those in work after `graceMs`.
   */
  close(graceMs: number): Promise<void> {
    this.#closing ??= this.#close(graceMs);
    return this.#closing;
  }

  queued(deployment: string): number {
    return this.#dispatcher.queued(deployment);
  }

  ongoing(replicaId: string): number {
    return this.#dispatcher.ongoing(replicaId);
  }

  ended(replicaId: string): { readonly completed: number; readonly failed: number } {
    return this.#dispatcher.ended(replicaId);
  }

  async #close(graceMs: number): Promise<void> {
    const { clock } = this.#options;
    const ownClosed = this.#own?.close(); // its streams would never end by themselves
    this.#dispatcher.close();
    const over = new Promise<void>((resolve) => {
      if (this.#server.listening) this.#server.close(() => resolve());
      else resolve();
    });
    for (const session of this.#sessions) if (!session.closed) session.close();
    let stopTimer = clock.after(graceMs, () => {
      for (const relay of this.#relays) relay.fail(shuttingDown());
      stopTimer = clock.after(flushMs, () => {
        for (const session of this.#sessions) session.destroy();
      });
    });
    await over;
    stopTimer();
    await Promise.all([...this.#open].map((connection) => connection.close()));
    await ownClosed;
  }

  #onSession(session: ServerHttp2Session): void {
    if (this.#closing !== undefined) {
      session.destroy();
      return;
    }
    this.#sessions.add(session);
    session.once("close", () => this.#sessions.delete(session));
    session.on("error", () => {}); // "sessionError" tells the log
    session.setLocalWindowSize(connectionWindowBytes);
  }

  #connectionTo(place: Place): Connection {
    const known = this.#connections.get(place);
    if (known?.usable) return known;
    const connection = this.#connect(place.endpoint.address, () => {
      this.#options.log.debug({ replica: place.endpoint.replicaId }, "the connection to a replica was lost");
      this.#dispatcher.lost(place);
    });
    this.#connections.set(place, connection);
    return connection;
  }

  #connectionToOwn(): Connection {
    if (this.#own === undefined) throw refusal("SHUTTING_DOWN", "this gateway does not serve yet", { retryAfterMs: retryMaxMs });
    if (!this.#ownConnection?.usable) this.#ownConnection = this.#connect(this.#own.address, () => {});
    return this.#ownConnection;
  }

  #connect(address: string, onLost: () => void): Connection {
    const connection = new Connection(address, onLost);
    this.#open.add(connection);
    void connection.ended.then(() => this.#open.delete(connection));
    return connection;
  }

  /** The place gets nothing more: its connection ends with its last stream. */
  #forget(place: Place): void {
    this.#connections.get(place)?.retire();
    this.#connections.delete(place);
  }
}
