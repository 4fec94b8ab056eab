import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from "node:http2";
import { connect as connectSocket, type Socket } from "node:net";
import { splitAddress } from "../../rpc/socket-address.ts";
import type { Fate, HeaderFields, ReplicaConnection, ReplicaEvents, ReplicaSide } from "../sides.ts";
import { CutHeaders } from "./cut-headers.ts";
import { sendBlock } from "./raw-headers.ts";
import { Http2ReplicaSide, type StreamConnection } from "./replica-side.ts";
import { connectionWindowBytes, headerLimits, headerReadBytesMax, replicaWindowBytes, sessionMemoryMb } from "./sizes.ts";

// A server takes a peer that resets more than about 1,000 streams for an attacker, and closes the
// connection with all of its streams. A connection retires before that.
const resetsUntilRetired = 500;
// Stream ids end at 2^31, two apart.
const streamsMax = 2 ** 29;

/** One HTTP/2 connection to a replica. It connects when it is constructed. */
export class Http2ReplicaConnection implements ReplicaConnection, StreamConnection {
  readonly #session: ClientHttp2Session;
  readonly #socket: Socket;
  readonly ended: Promise<void>;
  #connected = false;
  #lost = false;
  #closing = false;
  #lastProcessedId: number | undefined;
  #streams = 0;
  #resets = 0;

  /**
   * `onLost` is called once when an established connection ends without having been closed here.
   */
  constructor(address: string, onLost: () => void) {
    const target = splitAddress(address);
    const socket = connectSocket("path" in target ? { path: target.path } : { host: target.host, port: target.port, noDelay: true });
    this.#socket = socket;
    // Set before the session's own listeners run, so that its streams find here why they end.
    socket.once("connect", () => {
      this.#connected = true;
    });
    socket.once("close", () => {
      this.#lost = true;
    });
    this.#session = connect("http://replica", {
      createConnection: () => new CutHeaders(socket, "replica"),
      maxSessionMemory: sessionMemoryMb,
      ...headerLimits,
      settings: { initialWindowSize: replicaWindowBytes, maxHeaderListSize: headerReadBytesMax, enablePush: false },
    });
    this.#session.once("connect", () => this.#session.setLocalWindowSize(connectionWindowBytes));
    this.#session.on("goaway", (_code: number, lastStreamId: number) => {
      this.#lastProcessedId = lastStreamId;
    });
    this.#session.on("error", () => {}); // each stream has its own "close"
    this.ended = new Promise((resolve) => {
      this.#session.once("close", () => {
        if (this.#connected && !this.#closing) onLost();
        resolve();
      });
    });
  }

  get usable(): boolean {
    return !this.#closing && !this.#lost && !this.#session.closed && !this.#session.destroyed;
  }

  open(headers: HeaderFields, events: ReplicaEvents): ReplicaSide {
    const stream = sendBlock(headers, (block) => this.#session.request(block));
    if (++this.#streams >= streamsMax) this.retire();
    return new Http2ReplicaSide(this, stream, events);
  }

  /** Resets with CANCEL, unless the response is complete. */
  abandon(stream: ClientHttp2Stream, responded: boolean): void {
    if (stream.closed) return;
    stream.close(responded ? constants.NGHTTP2_NO_ERROR : constants.NGHTTP2_CANCEL);
    if (++this.#resets >= resetsUntilRetired) this.retire();
  }

  fate(stream: ClientHttp2Stream): Fate {
    if (!this.#connected || stream.id === undefined) return "unreached";
    if (stream.rstCode === constants.NGHTTP2_REFUSED_STREAM) return "refused";
    if (this.#lastProcessedId !== undefined && stream.id > this.#lastProcessedId) return "refused";
    return this.broken ? "lost" : "reset";
  }

  get broken(): boolean {
    return this.#lost || this.#session.destroyed;
  }

  retire(): void {
    this.#closing = true;
    if (!this.#connected) this.#session.once("connect", () => this.#session.close());
    else if (!this.#session.closed) this.#session.close();
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.#session.destroy();
    this.#socket.destroy();
    await this.ended;
  }
}
