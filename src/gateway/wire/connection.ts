import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants, type OutgoingHttpHeaders } from "node:http2";
import { connect as connectSocket, type Socket } from "node:net";
import { splitAddress } from "./address.ts";

/** Bytes of one stream that may be under way, each direction. */
export const streamWindowBytes = 1024 * 1024;
/** Bytes of one connection that may be under way, each direction. */
export const connectionWindowBytes = 16 * 1024 * 1024;
/** The largest headers a call may have, as HTTP/2 counts them; its own are little more, and are never held to be too large to send. */
export const headerBytesMax = 64 * 1024;
export const headerSendBytesMax = 16 * headerBytesMax;
/** What node:http2 may hold for one connection before it refuses streams, in its unit: megabytes. */
export const sessionMemoryMb = 512;
// A server takes a peer that resets more than about 1,000 streams for an attacker and hangs up on all of them: move on before that.
const resetsMax = 500;
// Stream ids end at 2^31, two apart.
const streamsMax = 2 ** 29;

/** What became of a stream that ended before its response did. */
export type Fate =
  /** The replica never saw it: not there. */
  | "unreached"
  /** The replica says it did nothing about it. */
  | "refused"
  /** The connection broke: it may or may not have had its effect. */
  | "lost"
  /** The replica gave up this one stream. */
  | "reset";

/** One HTTP/2 connection to a replica, opened on its making. */
export class Connection {
  readonly #session: ClientHttp2Session;
  readonly #socket: Socket;
  /** Resolves when it is over. */
  readonly ended: Promise<void>;
  #connected = false;
  #lost = false;
  #closing = false;
  #lastProcessedId: number | undefined;
  #streams = 0;
  #resets = 0;

  /** `onLost` is called once when an established connection ends without having been closed here. */
  constructor(address: string, onLost: () => void) {
    const target = splitAddress(address);
    const socket = connectSocket("path" in target ? { path: target.path } : { host: target.host, port: target.port, noDelay: true });
    this.#socket = socket;
    // Before the session's own listeners, so that its streams find out here why they end.
    socket.once("connect", () => {
      this.#connected = true;
    });
    socket.once("close", () => {
      this.#lost = true;
    });
    this.#session = connect("http://replica", {
      createConnection: () => socket,
      maxSessionMemory: sessionMemoryMb,
      maxSendHeaderBlockLength: headerSendBytesMax,
      settings: { initialWindowSize: streamWindowBytes, maxHeaderListSize: headerBytesMax, enablePush: false },
    });
    this.#session.once("connect", () => this.#session.setLocalWindowSize(connectionWindowBytes));
    this.#session.on("goaway", (_code: number, lastStreamId: number) => {
      this.#lastProcessedId = lastStreamId;
    });
    this.#session.on("error", () => {}); // each stream is told
    this.ended = new Promise((resolve) => {
      this.#session.once("close", () => {
        if (this.#connected && !this.#closing) onLost();
        resolve();
      });
    });
  }

  /** Whether it takes new streams. */
  get usable(): boolean {
    return !this.#closing && !this.#lost && !this.#session.closed && !this.#session.destroyed;
  }

  /** Opens a stream; before the connection stands, too. Throws for headers that HTTP/2 does not allow. */
  open(headers: OutgoingHttpHeaders): ClientHttp2Stream {
    const stream = this.#session.request(headers);
    if (++this.#streams >= streamsMax) this.retire();
    return stream;
  }

  /** Resets a stream of which nothing more is wanted: with CANCEL, unless its response is complete. */
  abandon(stream: ClientHttp2Stream, responded: boolean): void {
    if (stream.closed) return;
    stream.close(responded ? constants.NGHTTP2_NO_ERROR : constants.NGHTTP2_CANCEL);
    if (++this.#resets >= resetsMax) this.retire();
  }

  /** Why `stream` of this connection ended before its response did. */
  fate(stream: ClientHttp2Stream): Fate {
    if (!this.#connected || stream.id === undefined) return "unreached";
    if (stream.rstCode === constants.NGHTTP2_REFUSED_STREAM) return "refused";
    if (this.#lastProcessedId !== undefined && stream.id > this.#lastProcessedId) return "refused";
    return this.broken ? "lost" : "reset";
  }

  /** Whether nothing comes from it any more. */
  get broken(): boolean {
    return this.#lost || this.#session.destroyed;
  }

  /** Takes no new stream, and closes when those it has are over. */
  retire(): void {
    this.#closing = true;
    if (!this.#connected) this.#session.once("connect", () => this.#session.close());
    else if (!this.#session.closed) this.#session.close();
  }

  /** Closes at once. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#session.destroy();
    this.#socket.destroy();
    await this.ended;
  }
}
