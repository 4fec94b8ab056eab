import { createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import type { CallerServer, ServeOptions } from "../sides.ts";
import { joinAddress, splitAddress } from "./address.ts";
import { Http2CallerSide } from "./caller-side.ts";
import { connectionWindowBytes, headerLimits, headerReadBytesMax, sessionMemoryMb, streamWindowBytes } from "./sizes.ts";

/** Calls that one connection may have open. */
const callsPerConnectionMax = 100_000;
/**
 * How many calls a connection may reset: at once, and each second. Callers that leave are no
 * attack.
 */
const resetsMax = { burst: 100_000, rate: 10_000 };

/** Takes callers' connections by node:http2. */
export class Http2CallerServer implements CallerServer {
  readonly #server: Http2Server;
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #onServerFault: (error: Error) => void;
  #closing: Promise<void> | undefined;

  constructor({ onCall, onCallerFault, onServerFault }: ServeOptions) {
    this.#onServerFault = onServerFault;
    this.#server = createServer({
      maxSessionMemory: sessionMemoryMb,
      ...headerLimits,
      settings: {
        initialWindowSize: streamWindowBytes,
        maxConcurrentStreams: callsPerConnectionMax,
        maxHeaderListSize: headerReadBytesMax,
      },
      streamResetBurst: resetsMax.burst,
      streamResetRate: resetsMax.rate,
    });
    this.#server.on("session", (session) => this.#onSession(session));
    this.#server.on("stream", (stream: ServerHttp2Stream, _headers, _flags, rawHeaders: string[]) => {
      onCall(new Http2CallerSide(stream, rawHeaders));
    });
    // What a caller does wrong on its connection ends that connection, and nothing else.
    this.#server.on("sessionError", onCallerFault);
    this.#server.on("clientError", (_error, socket) => socket.destroy());
  }

  async listen(address: string): Promise<string> {
    const target = splitAddress(address);
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", (cause) => reject(new Error(`cannot listen at ${address}: ${cause.message}`, { cause })));
      this.#server.listen("path" in target ? { path: target.path } : { ...target, host: target.host }, resolve);
    });
    this.#server.removeAllListeners("error");
    this.#server.on("error", this.#onServerFault);
    if ("path" in target) return address;
    return joinAddress({ host: target.host, port: (this.#server.address() as AddressInfo).port });
  }

  close(): Promise<void> {
    this.#closing ??= new Promise<void>((resolve) => {
      if (this.#server.listening) this.#server.close(() => resolve());
      else resolve();
    });
    for (const session of this.#sessions) if (!session.closed) session.close();
    return this.#closing;
  }

  destroyConnections(): void {
    for (const session of this.#sessions) session.destroy();
  }

  #onSession(session: ServerHttp2Session): void {
    if (this.#closing !== undefined) {
      session.destroy();
      return;
    }
    this.#sessions.add(session);
    session.once("close", () => this.#sessions.delete(session));
    session.on("error", () => {}); // "sessionError" reports it
    session.setLocalWindowSize(connectionWindowBytes);
  }
}
