import { constants, type ServerHttp2Stream } from "node:http2";
import type { CallerEvents, CallerSide, HeaderFields } from "../sides.ts";
import { fieldsOf, sendBlock } from "./raw-headers.ts";

// A replica's own date, or none, is passed on. node:http2 knows the option, its types do not.
const wholeResponse = { endStream: true, sendDate: false };
const responseWithTrailers = { waitForTrailers: true, sendDate: false };

/** The caller's side of a call as a stream of node:http2. */
export class Http2CallerSide implements CallerSide {
  readonly headers: HeaderFields;
  readonly #stream: ServerHttp2Stream;
  #events: CallerEvents | undefined;
  #reading = false;
  /** A request without a body can end before anything is read of it. */
  #endedUnread = false;
  #trailers: HeaderFields | undefined;

  constructor(stream: ServerHttp2Stream, rawHeaders: readonly string[]) {
    this.#stream = stream;
    this.headers = fieldsOf(rawHeaders);
  }

  attach(events: CallerEvents): void {
    this.#events = events;
    const gone = () => events.callerGone();
    this.#stream.on("error", ignore);
    if (this.#stream.readableEnded) this.#endedUnread = true;
    this.#stream.once("aborted", gone);
    this.#stream.once("close", gone);
    this.#stream.once("end", () => {
      // node:http2 also ends a request that was cut off.
      if (this.#stream.aborted) return;
      if (this.#reading) events.requestEnd();
      else this.#endedUnread = true;
    });
  }

  resume(): void {
    const stream = this.#stream;
    if (!this.#reading) {
      this.#reading = true;
      stream.on("data", (chunk: Buffer) => this.#events?.requestData(chunk));
      if (this.#endedUnread) queueMicrotask(() => this.#events?.requestEnd());
    }
    stream.resume();
  }

  pause(): void {
    this.#stream.pause();
  }

  respond(headers: HeaderFields, whole: boolean): void {
    const stream = this.#stream;
    if (this.#gone) return;
    sendBlock(headers, (block) => stream.respond(block, whole ? wholeResponse : responseWithTrailers));
    if (whole) {
      this.#refuseRest();
      return;
    }
    stream.once("wantTrailers", () => this.#sendTrailers());
    stream.on("drain", () => this.#events?.callerReady());
  }

  write(chunk: Buffer): boolean {
    return this.#stream.write(chunk);
  }

  end(trailers: HeaderFields): void {
    if (this.#gone) return;
    this.#trailers = trailers;
    this.#stream.end();
  }

  reset(code: number): void {
    this.#stream.close(code);
  }

  respondPlainly(status: number, text: string): void {
    if (this.#gone) return;
    this.#stream.respond({ [constants.HTTP2_HEADER_STATUS]: status, "content-type": "text/plain; charset=utf-8" });
    this.#stream.end(text, () => this.#refuseRest());
  }

  get #gone(): boolean {
    return this.#stream.destroyed || this.#stream.closed;
  }

  #sendTrailers(): void {
    const stream = this.#stream;
    try {
      sendBlock(this.#trailers ?? {}, (block) => stream.sendTrailers(block));
    } catch {
      // The caller left, or HTTP/2 does not allow them.
      stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    }
    if (!stream.readableEnded) setImmediate(() => this.#refuseRest()); // the trailers go out at the end of this turn
  }

  /** The response is complete: nobody needs what the caller may still send. */
  #refuseRest(): void {
    const stream = this.#stream;
    if (!stream.readableEnded && !stream.endAfterHeaders && !stream.closed) stream.close(constants.NGHTTP2_NO_ERROR);
  }
}

// "close" follows each "error".
function ignore(): void {}
