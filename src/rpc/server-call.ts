import type { EventEmitter } from "node:events";
import type { DescMethod } from "@bufbuild/protobuf";
import {
  Metadata,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
} from "@grpc/grpc-js";
import { refusal, type StatusError } from "../core/errors.ts";
import type { CallContext } from "./service.ts";
import { detailsKey, encodeStatus } from "./status.ts";

/** A call as grpc-js passes it. Its requests are messages, or `Undecodable`. */
export type Raw<Response> =
  | ServerUnaryCall<unknown, Response>
  | ServerReadableStream<unknown, Response>
  | ServerWritableStream<unknown, Response>
  | ServerDuplexStream<unknown, Response>;

/**
 * One call in work. What few calls need is made when first read. Invariant: it is answered once.
 */
export class ServerCall implements CallContext {
  readonly method: DescMethod;
  readonly metadata: Metadata;
  readonly deadlineMs: number | undefined;
  readonly raw: Raw<Buffer>;
  /** The response of a method with one response, once its handler has returned it. */
  response: Buffer | undefined;
  readonly #callback: sendUnaryData<Buffer> | undefined;
  readonly #nowMs: () => number;
  #controller: AbortController | undefined;
  #abortReason: StatusError | undefined;
  #headers: Metadata | undefined;
  #trailers: Metadata | undefined;
  #answered = false;

  constructor(method: DescMethod, raw: Raw<Buffer>, callback: sendUnaryData<Buffer> | undefined, nowMs: () => number) {
    const deadline = raw.getDeadline();
    this.method = method;
    this.metadata = raw.metadata;
    this.deadlineMs = typeof deadline !== "number" ? deadline.getTime() : deadline === Number.POSITIVE_INFINITY ? undefined : deadline;
    this.raw = raw;
    this.#callback = callback;
    this.#nowMs = nowMs;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.raw.cancelled) this.#leave();
      else (this.raw as EventEmitter).once("cancelled", () => this.#leave());
      if (this.#abortReason !== undefined) this.#controller.abort(this.#abortReason);
    }
    return this.#controller.signal;
  }

  get responseHeaders(): Metadata {
    this.#headers ??= new Metadata();
    return this.#headers;
  }

  get responseTrailers(): Metadata {
    this.#trailers ??= new Metadata();
    return this.#trailers;
  }

  /** Why the signal aborted; undefined: it did not, or it was never read. */
  get abortReason(): StatusError | undefined {
    return this.#controller === undefined ? undefined : this.#abortReason;
  }

  /** Aborts the signal; does nothing once the call is answered. */
  abort(reason: StatusError): void {
    if (this.#answered || this.#abortReason !== undefined) return;
    this.#abortReason = reason;
    this.#controller?.abort(reason);
  }

  /** Sends what the handler put into `responseHeaders`; only before the first message. */
  sendHeaders(): void {
    if (this.#headers === undefined) return;
    this.raw.sendMetadata(this.#headers);
    this.#headers = undefined;
  }

  /** Answers OK, with the response if the method has one. */
  succeed(): void {
    if (this.#answered) return;
    this.#answered = true;
    this.sendHeaders();
    if (this.#callback !== undefined) this.#callback(null, this.response, this.#trailers);
    else if ("end" in this.raw) this.raw.end(this.#trailers);
  }

  /** Answers with the error and its details. */
  fail(error: StatusError): void {
    if (this.#answered) return;
    this.#answered = true;
    const { code, message, details } = encodeStatus(error);
    const metadata = this.responseTrailers;
    if (details !== undefined) metadata.set(detailsKey, Buffer.from(details));
    const status = { code, details: message, metadata };
    if (this.#callback !== undefined) this.#callback(status);
    else this.raw.emit("error", status);
  }

  /**
   * grpc-js emits `cancelled` for every call, also after its answer: no error is made for those.
   */
  #leave(): void {
    if (!this.#answered) this.abort(this.#whyLeft());
  }

  #whyLeft(): StatusError {
    // grpc-js watches the deadline by a timer, which may be a millisecond early.
    return this.deadlineMs !== undefined && this.#nowMs() >= this.deadlineMs - 1
      ? refusal("DEADLINE", "the deadline passed")
      : refusal("CANCELLED", "the caller left");
  }
}
