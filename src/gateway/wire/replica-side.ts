import { type ClientHttp2Stream, constants, type IncomingHttpHeaders } from "node:http2";
import type { Fate, ReplicaEvents, ReplicaSide } from "../sides.ts";
import { fieldsOf } from "./raw-headers.ts";

/** The connection of a stream, as the stream needs it. */
export interface StreamConnection {
  /** Whether nothing comes from the connection any more. */
  readonly broken: boolean;
  /** Why a stream of the connection ended before its response did. */
  fate(stream: ClientHttp2Stream): Fate;
  /** Resets a stream of which nothing more is wanted. */
  abandon(stream: ClientHttp2Stream, responded: boolean): void;
}

/** A replica's side of a call as a stream of node:http2. */
export class Http2ReplicaSide implements ReplicaSide {
  readonly #connection: StreamConnection;
  readonly #stream: ClientHttp2Stream;
  /** Undefined: the call let go, or has had the last event. */
  #events: ReplicaEvents | undefined;
  #reading = false;
  #requestEnded = false;
  /** The replica has sent the last of its response. */
  #responded = false;

  constructor(connection: StreamConnection, stream: ClientHttp2Stream, events: ReplicaEvents) {
    this.#connection = connection;
    this.#stream = stream;
    this.#events = events;
    stream.once("response", (_headers: IncomingHttpHeaders, flags: number, raw?: readonly string[]) => {
      const whole = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
      this.#responded = whole;
      const heard = this.#events;
      if (whole) this.#events = undefined;
      heard?.response(fieldsOf(raw ?? []), whole);
    });
    stream.once("trailers", (_headers: IncomingHttpHeaders, _flags: number, raw?: readonly string[]) => {
      this.#responded = true;
      this.#events?.responseTrailers(fieldsOf(raw ?? []));
    });
    stream.once("close", () => this.#events?.replicaGone(connection.fate(stream), stream.rstCode || constants.NGHTTP2_INTERNAL_ERROR));
    stream.on("error", ignore);
    stream.on("drain", () => this.#events?.replicaReady());
  }

  write(chunk: Buffer): boolean {
    return this.#stream.write(chunk);
  }

  end(): void {
    this.#requestEnded = true;
    this.#stream.end();
  }

  resume(): void {
    const stream = this.#stream;
    if (!this.#reading) {
      this.#reading = true;
      stream.on("data", (chunk: Buffer) => this.#events?.responseData(chunk));
      stream.once("end", () => this.#onEnd());
    }
    stream.resume();
  }

  pause(): void {
    this.#stream.pause();
  }

  letGo(): void {
    this.#events = undefined;
    const stream = this.#stream;
    if (stream.closed) return;
    // A stream that both sides have ended closes by itself as soon as its end has been read.
    if (this.#responded && this.#requestEnded) stream.resume();
    else this.#connection.abandon(stream, this.#responded);
  }

  #onEnd(): void {
    // node:http2 also ends a stream that was cut off. Then "close" reports it.
    const cutOff = !this.#responded && ((this.#stream.rstCode ?? 0) !== 0 || this.#connection.broken);
    if (cutOff) return;
    this.#responded = true;
    const heard = this.#events;
    this.#events = undefined;
    heard?.responseEnd();
  }
}

// "close" follows each "error".
function ignore(): void {}
