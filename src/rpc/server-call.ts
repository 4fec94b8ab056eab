import type { EventEmitter } from "node:events";
import type { DescMethod } from "@bufbuild/protobuf";
import type {
  Metadata,
  ServerDuplexStream,
  ServerReadableStream,
  ServerUnaryCall,
  ServerWritableStream,
  sendUnaryData,
} from "@grpc/grpc-js";
import { refusal, type StatusError } from "../core/errors.ts";
import { ResponseMetadata } from "./call-metadata.ts";
import { farDeadlineKey } from "./guarded-streams.ts";
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
    this.method = method;
    this.metadata = raw.metadata;
    this.deadlineMs = deadlineOf(raw);
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
    this.#headers ??= new ResponseMetadata();
    return this.#headers;
  }

  get responseTrailers(): Metadata {
    this.#trailers ??= new ResponseMetadata();
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

  /**
   * Sends what the handler put into `responseHeaders`; only before the first message. Throws where
   * it cannot be sent.
   */
  sendHeaders(): void {
    if (this.#headers === undefined) return;
    const headers = this.#headers;
    this.#headers = undefined;
    this.raw.sendMetadata(headers);
  }

  /** Answers OK, with the response if the method has one. */
  succeed(): void {
    if (this.#answered) return;
    this.sendHeaders();
    this.#answered = true;
    if (this.#callback !== undefined) this.#callback(null, this.response, this.#trailers);
    else if ("end" in this.raw) this.raw.end(this.#trailers);
  }

  /** Answers with the error and its details. Throws where the error has no form on the wire. */
  fail(error: StatusError): void {
    if (this.#answered) return;
    const { code, message, details } = encodeStatus(error);
    this.#answered = true;
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

/** A deadline that is too far for a timer is no deadline to grpc-js. */
function deadlineOf(raw: Raw<Buffer>): number | undefined {
  const deadline = Number(raw.getDeadline());
  if (deadline !== Number.POSITIVE_INFINITY) return deadline;
  const [far] = raw.metadata.get(farDeadlineKey);
  raw.metadata.remove(farDeadlineKey);
  return far === undefined ? undefined : Number(far);
}
