import { constants, createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import type { Clock } from "../../clock/clock.ts";
import { pingAnswerMs, pingMs } from "../../rpc/grpc-server.ts";
import { Listener } from "../../rpc/listener.ts";
import { type Allowance, afterSeen, afterUnseen, newAllowance, resetsMax } from "../leaving.ts";
import type { CallerServer, ServeOptions } from "../sides.ts";
import { Arrivals } from "./arrivals.ts";
import { Http2CallerSide } from "./caller-side.ts";
import { CutHeaders } from "./cut-headers.ts";
import {
  callerWindowBytes,
  callsPerConnectionMax,
  connectionWindowBytes,
  headerLimits,
  headerReadBytesMax,
  sessionMemoryMb,
} from "./sizes.ts";

/** A caller's connection. */
interface CallerConnection {
  readonly session: ServerHttp2Session;
  readonly socket: Socket | undefined;
  allowance: Allowance;
}

/** Takes callers' connections by node:http2. */
export class Http2CallerServer implements CallerServer {
  readonly #options: ServeOptions;
  readonly #clock: Clock;
  readonly #listener: Listener;
  readonly #server: Http2Server;
  readonly #connections = new Map<ServerHttp2Session, CallerConnection>();
  readonly #arrivals = new Arrivals<ServerHttp2Session>();
  /** The socket whose session is being made. */
  #taken: Socket | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: ServeOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#server = createServer({
      maxSessionMemory: sessionMemoryMb,
      ...headerLimits,
      settings: {
        initialWindowSize: callerWindowBytes,
        maxConcurrentStreams: callsPerConnectionMax,
        maxHeaderListSize: headerReadBytesMax,
      },
      streamResetBurst: resetsMax.burst,
      streamResetRate: resetsMax.perSecond,
    });
    this.#server.on("session", (session) => this.#onSession(session));
    this.#server.on("stream", (stream: ServerHttp2Stream, _headers, _flags, rawHeaders: string[]) => this.#onStream(stream, rawHeaders));
    // What a caller does wrong on its connection ends that connection, and nothing else.
    this.#server.on("sessionError", options.onCallerFault);
    this.#listener = new Listener({
      onConnection: (socket) => {
        this.#taken = socket;
        this.#server.emit("connection", new CutHeaders(socket, "caller"));
        this.#taken = undefined;
      },
      onFault: options.onServerFault,
      connectionsMax: options.connectionsMax,
      onCrowded: options.onCrowded,
      clock: options.clock,
    });
  }

  listen(address: string): Promise<string> {
    return this.#listener.listen(address);
  }

  close(): Promise<void> {
    this.#closing ??= this.#listener.close();
    for (const session of this.#connections.keys()) if (!session.closed) session.close();
    return this.#closing;
  }

  destroyConnections(): void {
    for (const session of this.#connections.keys()) session.destroy();
    this.#listener.destroyConnections();
  }

  #onSession(session: ServerHttp2Session): void {
    const connection: CallerConnection = { session, socket: this.#taken, allowance: newAllowance(this.#clock.nowMs()) };
    this.#connections.set(session, connection);
    const stopAsking = this.#keepAsking(session);
    session.once("close", () => {
      stopAsking();
      this.#connections.delete(session);
      this.#arrivals.drop(session);
    });
    session.on("error", () => {}); // "sessionError" reports it
    session.setLocalWindowSize(connectionWindowBytes);
  }

  /** Asks again and again whether the peer is still there, and closes the connection if it is not. */
  #keepAsking(session: ServerHttp2Session): () => void {
    const ask = () => {
      if (session.destroyed) return;
      stop = this.#clock.after(pingAnswerMs, () => session.destroy());
      const onAnswer = (error: Error | null) => {
        if (error !== null) return; // the session is over
        stop();
        stop = this.#clock.after(pingMs, ask);
      };
      // On a closing connection node:http2 sends settings, but no ping. Calls may still be in work
      // there, although node:http2 may have stopped to read from it.
      if (session.closed) session.settings({}, onAnswer);
      else if (!session.ping(onAnswer)) session.destroy();
    };
    let stop = this.#clock.after(pingMs, ask);
    return () => stop();
  }

  /** A call is begun in a later turn: if its caller has taken it back by then, it costs no more. */
  #onStream(stream: ServerHttp2Stream, rawHeaders: readonly string[]): void {
    const connection = stream.session && this.#connections.get(stream.session as ServerHttp2Session);
    stream.on("error", ignore);
    if (connection === undefined || connection.session.destroyed) return;
    const { session, socket } = connection;
    this.#listener.begin(socket);
    stream.once("close", () => this.#listener.end(socket));
    const waiting = this.#arrivals.add(session, () => {
      if (session.destroyed) return;
      if (stream.destroyed || stream.closed || stream.aborted) this.#onUnseen(connection);
      else {
        connection.allowance = afterSeen(connection.allowance);
        this.#options.onCall(new Http2CallerSide(stream, rawHeaders));
      }
    });
    // More than may be open wait to be begun: their caller has taken back the rest.
    if (waiting > callsPerConnectionMax) this.#endForResets(connection);
  }

  #onUnseen(connection: CallerConnection): void {
    const left = afterUnseen(connection.allowance, this.#clock.nowMs());
    if (left !== undefined) {
      connection.allowance = left;
      return;
    }
    this.#endForResets(connection);
  }

  #endForResets({ session }: CallerConnection): void {
    session.destroy(new Error("the caller takes back its calls faster than they can be begun"), constants.NGHTTP2_ENHANCE_YOUR_CALM);
  }
}

// "close" follows each "error".
function ignore(): void {}
