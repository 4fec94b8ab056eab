import type { Clock, Random } from "../clock/clock.ts";
import { refusal } from "../core/errors.ts";
import type { CallsInWork } from "../core/traffic/calls-in-work.ts";
import type { GatewayCounts } from "../core/traffic/load.ts";
import type { Log } from "../log/log.ts";
import { Call } from "./call.ts";
import type { CallObserver } from "./call-observer.ts";
import type { CallParts } from "./call-parts.ts";
import { afterGrace, type Closing, callsInWork, type OpenCall } from "./closing.ts";
import { retryMaxMs, shuttingDown } from "./denials.ts";
import { Dispatcher } from "./dispatcher.ts";
import { type Door, openDoor } from "./door.ts";
import { KeptPool } from "./kept-request.ts";
import { OwnServices } from "./own-services/own-services.ts";
import type { Place } from "./place.ts";
import type { Routes } from "./routes.ts";
import type { CallerServer, CallerSide, ReplicaConnection } from "./sides.ts";
import { Unread } from "./unread.ts";
import { http2Wire } from "./wire/http2-wire.ts";

/** How long, after the grace period, the last answers may take to reach their callers. */
const flushMs = 500;

export interface GatewayOptions {
  readonly routes: Routes;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /**
   * The folder of the socket `gateway.sock`, by which the gateway reaches its own services. It
   * exists, and no other gateway uses it.
   * Default: a new temporary folder, which stays if the process is killed.
   */
  readonly socketFolder?: string | undefined;
  /** Called for each request that comes while its deployment has no replica. */
  readonly onCold?: (deployment: string) => void;
  /** Admits or refuses each call before it is routed. Default: admits all. */
  readonly door?: Door;
  /** Sees what becomes of each call. Default: none. */
  readonly observer?: CallObserver;
  /** The largest message of a request, in bytes; a deployment may have a smaller bound. Default: 64 MiB. */
  readonly messageBytesMax?: number;
  /** Callers' connections at the same time. Default: no bound. */
  readonly connectionsMax?: number;
  /** The bound of connections is reached; see `Listener`. */
  readonly onCrowded?: (connectionsMax: number) => void;
}

/** Takes calls from all callers, and brings each to a replica of its deployment. */
export class Gateway implements GatewayCounts {
  readonly #options: GatewayOptions;
  readonly #dispatcher: Dispatcher;
  readonly #server: CallerServer;
  readonly #parts: CallParts;
  readonly #connections = new Map<Place, ReplicaConnection>();
  /** All that are not closed yet, those that take no new calls included. */
  readonly #open = new Map<ReplicaConnection, Place | undefined>();
  #own: OwnServices | undefined;
  #ownConnection: ReplicaConnection | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: GatewayOptions) {
    this.#options = options;
    const { routes, clock, random, log, onCold = () => {} } = options;
    this.#dispatcher = new Dispatcher({
      routes,
      clock,
      random,
      onGone: (place) => this.#forget(place),
      onGivenUp: (place) => this.#giveUp(place),
      onCold,
    });
    this.#parts = {
      routes,
      clock,
      log,
      dispatcher: this.#dispatcher,
      door: options.door ?? openDoor,
      observer: options.observer,
      keptPool: new KeptPool(options.messageBytesMax),
      unread: new Unread(),
      calls: new Set(),
      connectionTo: (place) => this.#connectionTo(place),
      ownConnection: () => this.#connectionToOwn(),
    };
    this.#server = http2Wire.serve({
      onCall: (caller) => this.#onCall(caller),
      onCallerFault: (error) => log.debug({ cause: error.message }, "a caller's connection failed"),
      onServerFault: (error) => log.error({ err: error }, "the gateway's server failed"),
      connectionsMax: options.connectionsMax,
      onCrowded: options.onCrowded,
      clock,
    });
  }

  /**
   * Starts to serve at `host:port` (port 0: any free one) or `unix:/path`. Returns the bound
   * address. Fails if that is not possible.
   */
  async listen(address: string): Promise<string> {
    this.#own = await OwnServices.start(this.#options);
    try {
      return await this.#server.listen(address);
    } catch (error) {
      await this.#own.close();
      this.#own = undefined;
      throw error;
    }
  }

  /**
   * Ends the gateway, and resolves when its last connection is closed. New connections and calls
   * are refused and those that wait answered SHUTTING_DOWN at once; those in work after their grace.
   * A number is the grace of all, ms.
   */
  close(grace: number | Closing): Promise<void> {
    this.#closing ??= this.#close(typeof grace === "number" ? { graceMs: grace } : grace);
    return this.#closing;
  }

  /** The calls that a close would give time to end. */
  inWork(closing: Closing): readonly CallsInWork[] {
    return callsInWork(this.#parts.calls, closing);
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

  async #close(closing: Closing): Promise<void> {
    const { clock } = this.#options;
    const ownClosed = this.#own?.close(); // streams such as Health.Watch never end by themselves
    this.#dispatcher.close();
    const over = this.#server.close();
    let stopFlush = () => {};
    const endCalls = (which: (call: OpenCall) => boolean) => {
      for (const call of this.#parts.calls) if (which(call)) call.fail(shuttingDown());
    };
    const stopGrace = afterGrace(this.inWork(closing), closing, clock, {
      end: (deployment) => endCalls((call) => call.deployment === deployment),
      endAll: () => {
        endCalls(() => true);
        stopFlush = clock.after(flushMs, () => this.#server.destroyConnections());
      },
    });
    await over;
    stopGrace();
    stopFlush();
    await Promise.all([...this.#open.keys()].map((connection) => connection.close()));
    await ownClosed;
  }

  #onCall(caller: CallerSide): void {
    const call = new Call(this.#parts, caller);
    try {
      call.start();
    } catch (error) {
      call.broke(error);
    }
  }

  #connectionTo(place: Place): ReplicaConnection {
    const known = this.#connections.get(place);
    if (known?.usable) return known;
    const connection = this.#connect(place, place.endpoint.address, () => {
      this.#options.log.debug({ replica: place.endpoint.replicaId }, "the connection to a replica was lost");
      this.#dispatcher.lost(place);
    });
    this.#connections.set(place, connection);
    return connection;
  }

  #connectionToOwn(): ReplicaConnection {
    if (this.#own === undefined) throw refusal("SHUTTING_DOWN", "this gateway does not serve yet", { retryAfterMs: retryMaxMs });
    if (!this.#ownConnection?.usable) this.#ownConnection = this.#connect(undefined, this.#own.address, () => {});
    return this.#ownConnection;
  }

  #connect(place: Place | undefined, address: string, onLost: () => void): ReplicaConnection {
    const connection = http2Wire.connect(address, onLost);
    this.#open.set(connection, place);
    void connection.ended.then(() => this.#open.delete(connection));
    return connection;
  }

  /** The replica of the place says nothing, and is replaced: its requests in work are lost now. */
  #giveUp(place: Place): void {
    for (const [connection, its] of this.#open) if (its === place) void connection.close();
  }

  /** The place gets nothing more: its connection ends with its last stream. */
  #forget(place: Place): void {
    this.#connections.get(place)?.retire();
    this.#connections.delete(place);
  }
}
