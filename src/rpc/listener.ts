import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import type { Clock } from "../clock/clock.ts";
import { joinAddress, splitAddress } from "./socket-address.ts";

/** The length of the preface, with which every HTTP/2 connection begins. */
const prefaceBytes = 24;
/** How long a connection may take to send the preface. */
export const prefaceMs = 10_000;
/** How long a peer may take to close its side of a connection after this side is closed. */
export const lingerMs = 500;
/** After so long without a byte, the system asks whether the peer is still there. */
const keepAliveMs = 60_000;

export interface ListenerOptions {
  /** Takes over each connection. */
  readonly onConnection: (socket: Socket) => void;
  /** The socket failed while it listened. */
  readonly onFault: (error: Error) => void;
  /** Connections at the same time. Default: no bound. */
  readonly connectionsMax?: number | undefined;
  /**
   * The bound is reached: idle connections are closed for new ones, and new ones are refused while
   * none is idle. Called once, and again only after half of the connections have gone.
   */
  readonly onCrowded?: ((connectionsMax: number) => void) | undefined;
  readonly clock: Clock;
}

/** A connection, and how many calls are open on it. */
interface TakenConnection {
  readonly socket: Socket;
  calls: number;
}

/**
 * Takes the connections of a port, and sees that each has an end: a connection is closed that never
 * sends anything, whose peer is gone, or whose peer does not close its side. It does not read what
 * is sent.
 */
export class Listener {
  readonly #options: ListenerOptions;
  readonly #server: Server;
  readonly #connections = new Map<Socket, TakenConnection>();
  readonly #ofPeer = new Map<string, Socket>();
  /** The connections without calls, the longest idle first. */
  readonly #idle = new Set<TakenConnection>();
  #crowded = false;
  #closing: Promise<void> | undefined;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAliveMs }, (socket) => this.#take(socket));
  }

  /** How many connections are open. */
  get size(): number {
    return this.#connections.size;
  }

  /**
   * Listens at `host:port` (port 0: any free one) or `unix:/path`. Returns the bound address. Fails
   * if that is not possible.
   */
  async listen(address: string): Promise<string> {
    const target = splitAddress(address);
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", (cause) => reject(new Error(`cannot listen at ${address}: ${cause.message}`, { cause })));
      this.#server.listen(target, resolve);
    });
    this.#server.removeAllListeners("error");
    this.#server.on("error", this.#options.onFault);
    if ("path" in target) return address;
    return joinAddress({ host: target.host, port: (this.#server.address() as AddressInfo).port });
  }

  /** A call began on this connection: it is not idle. */
  begin(socket: Socket | undefined): void {
    const connection = socket && this.#connections.get(socket);
    if (connection === undefined) return;
    connection.calls++;
    this.#idle.delete(connection);
  }

  /** A call ended. */
  end(socket: Socket | undefined): void {
    const connection = socket && this.#connections.get(socket);
    if (connection !== undefined && --connection.calls === 0) this.#idle.add(connection);
  }

  /** The connection of a peer, `address:port`. Undefined: it is closed, or comes by a path. */
  connectionOf(peer: string): Socket | undefined {
    return this.#ofPeer.get(peer);
  }

  /**
   * Takes no new connections, and closes those that have sent nothing. Resolves when the last one
   * is closed. Whoever took them over ends the others.
   */
  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      if (this.#server.listening) this.#server.close(() => resolve());
      else resolve();
    });
    for (const { socket } of this.#connections.values()) if (socket.bytesRead < prefaceBytes) socket.destroy();
    return this.#closing;
  }

  /** Closes all connections at once. */
  destroyConnections(): void {
    for (const { socket } of this.#connections.values()) socket.destroy();
  }

  #take(socket: Socket): void {
    if (this.#closing !== undefined || !this.#makeRoom()) {
      socket.destroy();
      return;
    }
    const { clock } = this.#options;
    const connection: TakenConnection = { socket, calls: 0 };
    this.#connections.set(socket, connection);
    this.#idle.add(connection);
    const peer = socket.remotePort === undefined ? undefined : `${socket.remoteAddress}:${socket.remotePort}`;
    if (peer !== undefined) this.#ofPeer.set(peer, socket);
    const stopWaiting = clock.after(prefaceMs, () => {
      if (socket.bytesRead < prefaceBytes) socket.destroy();
    });
    let stopLingering = () => {};
    socket.once("finish", () => {
      stopLingering = clock.after(lingerMs, () => socket.destroy());
    });
    socket.on("error", ignore);
    socket.once("close", () => {
      stopWaiting();
      stopLingering();
      this.#connections.delete(socket);
      this.#idle.delete(connection);
      if (peer !== undefined && this.#ofPeer.get(peer) === socket) this.#ofPeer.delete(peer);
      if (this.#connections.size <= (this.#options.connectionsMax ?? 0) / 2) this.#crowded = false;
    });
    this.#options.onConnection(socket);
  }

  /** Whether another connection may be taken; if necessary, closes the connection that is idle longest. */
  #makeRoom(): boolean {
    const { connectionsMax = Number.POSITIVE_INFINITY, onCrowded } = this.#options;
    if (this.#connections.size < connectionsMax) return true;
    if (!this.#crowded) onCrowded?.(connectionsMax);
    this.#crowded = true;
    const [idle] = this.#idle;
    if (idle === undefined) return false;
    this.#idle.delete(idle);
    this.#connections.delete(idle.socket);
    idle.socket.destroy();
    return true;
  }
}

// "close" follows each "error".
function ignore(): void {}
