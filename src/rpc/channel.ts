import type { DescMessage, DescMethod, DescService, Message, MessageInitShape } from "@bufbuild/protobuf";
import {
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientUnaryCall,
  type ClientWritableStream,
  connectivityState,
  credentials,
  Client as RawClient,
  type CallOptions as RawOptions,
  type ServiceError,
  type StatusObject,
} from "@grpc/grpc-js";
import type { Clock } from "../clock/clock.ts";
import { realClock } from "../clock/real.ts";
import { refusal, StatusError } from "../core/errors.ts";
import { requestMetadata } from "./call-metadata.ts";
import { inOurWords } from "./client-failure.ts";
import { asBytes, decode, defaultMessageBytesMax, encode, pathOf } from "./codec.ts";
import { messageWindowBytes } from "./grpc-server.ts";
import type { CallOptions, Client } from "./service.ts";
import { decodeStatus } from "./status.ts";
import { drained, incoming } from "./streams.ts";

/** Time between attempts to connect, in milliseconds: it grows from the first to the last. */
const reconnectMs = { first: 50, last: 1000 };

/**
 * How long grpc-js watches a connection at a time: its timer cannot be cancelled, and keeps the
 * process alive.
 */
const watchMs = 500;

/** The longest deadline that gRPC has, 99,999,999 hours; a longer one is none. */
const deadlineMsMax = 99_999_999 * 3_600_000;

export interface ChannelOptions {
  /** The largest response message that is read. Default: {@link defaultMessageBytesMax}. */
  readonly messageBytesMax?: number;
  /** The clock of deadlines. Default: the real clock. */
  readonly clock?: Clock;
  /**
   * Whether gRPC itself sends a call again that the server certainly has not seen. Default: true.
   * It costs each call a little time.
   */
  readonly resends?: boolean;
}

type MessageIn = MessageInitShape<DescMessage>;
type Decode = (bytes: Buffer) => Message;
type AnyCall = ClientUnaryCall | ClientReadableStream<Message> | ClientWritableStream<Buffer> | ClientDuplexStream<Buffer, Message>;

/**
 * One connection to one server, made when first needed and again when lost. Calls are never
 * repeated, except that gRPC itself sends a call again that the server certainly has not seen.
 */
export class Channel {
  /** `host:port` or `unix:/path`. */
  readonly address: string;
  readonly #raw: RawClient;
  readonly #clock: Clock;
  readonly #closed = new AbortController();
  readonly #open = new Set<AnyCall>();
  readonly #clients = new Map<DescService, object>();

  constructor(address: string, { messageBytesMax = defaultMessageBytesMax, clock = realClock, resends = true }: ChannelOptions = {}) {
    this.address = address;
    this.#clock = clock;
    this.#raw = new RawClient(address, credentials.createInsecure(), {
      "grpc.max_receive_message_length": messageBytesMax,
      "grpc.initial_reconnect_backoff_ms": reconnectMs.first,
      "grpc.min_reconnect_backoff_ms": reconnectMs.first,
      "grpc.max_reconnect_backoff_ms": reconnectMs.last,
      "grpc.use_local_subchannel_pool": 1,
      "grpc.service_config_disable_resolution": 1,
      "grpc.enable_http_proxy": 0,
      "grpc.enable_channelz": 0,
      "grpc-node.flow_control_window": messageWindowBytes,
      "grpc.enable_retries": resends ? 1 : 0,
    });
  }

  /**
   * A client of one service. The call of a stream begins when its first message is read. Every
   * failure is a `StatusError`.
   */
  client<S extends DescService>(service: S): Client<S> {
    let client = this.#clients.get(service);
    if (client === undefined) {
      client = Object.fromEntries(service.methods.map((method) => [method.localName, this.#caller(method)]));
      this.#clients.set(service, client);
    }
    return client as Client<S>;
  }

  /**
   * Resolves when connected. Rejects with UNAVAILABLE after `timeoutMs` or when closed, with
   * CANCELLED when `signal` aborts.
   */
  ready(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    const endMs = this.#clock.nowMs() + timeoutMs;
    const channel = this.#raw.getChannel();
    return new Promise((resolve, reject) => {
      let over = false;
      const end = (error?: StatusError) => {
        over = true;
        signal?.removeEventListener("abort", leave);
        this.#closed.signal.removeEventListener("abort", close);
        if (error === undefined) resolve();
        else reject(error);
      };
      const leave = () => end(cancelled(signal));
      const close = () => end(this.#closedError());
      const check = () => {
        if (over) return;
        const state = channel.getConnectivityState(true);
        const nowMs = this.#clock.nowMs();
        if (state === connectivityState.READY) end();
        else if (nowMs >= endMs) end(new StatusError("UNAVAILABLE", `no connection to ${this.address} within ${timeoutMs} ms`));
        else channel.watchConnectivityState(state, this.#clock.wallMs() + Math.min(endMs - nowMs, watchMs), check);
      };
      signal?.addEventListener("abort", leave);
      this.#closed.signal.addEventListener("abort", close);
      if (this.#closed.signal.aborted) close();
      else if (signal?.aborted) leave();
      else check();
    });
  }

  /** Closes the connection; calls in work fail with UNAVAILABLE. */
  close(): void {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort();
    for (const call of this.#open) call.cancel();
    this.#raw.close();
  }

  #caller(method: DescMethod): unknown {
    const decodeAnswer: Decode = (bytes) => decode(method.output, bytes);
    switch (method.methodKind) {
      case "unary":
        return (request: MessageIn, options?: CallOptions) => this.#unary(method, decodeAnswer, request, options ?? {});
      case "client_streaming":
        return (requests: AsyncIterable<MessageIn>, options?: CallOptions) =>
          this.#clientStream(method, decodeAnswer, requests, options ?? {});
      case "server_streaming":
        return (request: MessageIn, options?: CallOptions) => this.#serverStream(method, decodeAnswer, request, options ?? {});
      case "bidi_streaming":
        return (requests: AsyncIterable<MessageIn>, options?: CallOptions) =>
          this.#bidiStream(method, decodeAnswer, requests, options ?? {});
    }
  }

  async #unary(method: DescMethod, decodeAnswer: Decode, request: MessageIn, options: CallOptions): Promise<Message> {
    const bytes = encodeRequest(method, request);
    return this.#oneAnswer(options, (answered) =>
      this.#raw.makeUnaryRequest(
        pathOf(method),
        asBytes,
        decodeAnswer,
        bytes,
        requestMetadata(options.metadata ?? {}),
        this.#rawOptions(options),
        answered,
      ),
    );
  }

  async #clientStream(
    method: DescMethod,
    decodeAnswer: Decode,
    requests: AsyncIterable<MessageIn>,
    options: CallOptions,
  ): Promise<Message> {
    const outgoing = new Outgoing(method, requests);
    return this.#oneAnswer(options, (answered) => {
      const call = this.#raw.makeClientStreamRequest<Buffer, Message>(
        pathOf(method),
        asBytes,
        decodeAnswer,
        requestMetadata(options.metadata ?? {}),
        this.#rawOptions(options),
        (error, response) => answered(error === null ? null : (outgoing.failure ?? error), response),
      );
      void outgoing.pour(call);
      return call;
    });
  }

  #oneAnswer(options: CallOptions, begin: (answered: (error: Error | null, response?: Message) => void) => AnyCall): Promise<Message> {
    return new Promise((resolve, reject) => {
      if (options.signal?.aborted) return reject(cancelled(options.signal));
      const call = this.#begun(() =>
        begin((error, response) => {
          unfollow();
          if (error === null) resolve(response as Message);
          else reject(isStatus(error) ? this.#failureOf(error, options) : error);
        }),
      );
      const unfollow = this.#follow(call, options);
    });
  }

  async *#serverStream(method: DescMethod, decodeAnswer: Decode, request: MessageIn, options: CallOptions): AsyncGenerator<Message, void> {
    const bytes = encodeRequest(method, request);
    yield* this.#answers(options, () =>
      this.#raw.makeServerStreamRequest(
        pathOf(method),
        asBytes,
        decodeAnswer,
        bytes,
        requestMetadata(options.metadata ?? {}),
        this.#rawOptions(options),
      ),
    );
  }

  async *#bidiStream(
    method: DescMethod,
    decodeAnswer: Decode,
    requests: AsyncIterable<MessageIn>,
    options: CallOptions,
  ): AsyncGenerator<Message, void> {
    const outgoing = new Outgoing(method, requests);
    const begin = () => {
      const call = this.#raw.makeBidiStreamRequest<Buffer, Message>(
        pathOf(method),
        asBytes,
        decodeAnswer,
        requestMetadata(options.metadata ?? {}),
        this.#rawOptions(options),
      );
      void outgoing.pour(call);
      return call;
    };
    yield* this.#answers(options, begin, () => outgoing.failure);
  }

  /** The answers of a call that streams them. Leaving early cancels the call. */
  async *#answers(
    options: CallOptions,
    begin: () => ClientReadableStream<Message> | ClientDuplexStream<Buffer, Message>,
    localFailure: () => Error | undefined = () => undefined,
  ): AsyncGenerator<Message, void> {
    if (options.signal?.aborted) throw cancelled(options.signal);
    const call = this.#begun(begin);
    let status: StatusObject | undefined;
    // The status has the failure; without a listener a failed call would end the process.
    call.on("error", ignore);
    call.on("status", (given: StatusObject) => {
      status = given;
    });
    const unfollow = this.#follow(call, options);
    const failure = () => (status === undefined || status.code === 0 ? undefined : (localFailure() ?? this.#failureOf(status, options)));
    try {
      yield* incoming<Message>(call, failure);
    } finally {
      unfollow();
      call.cancel();
    }
  }

  /** grpc-js throws where the channel is closed; callers get that as a `StatusError`. */
  #begun<C extends AnyCall>(begin: () => C): C {
    try {
      return begin();
    } catch (error) {
      throw this.#closed.signal.aborted ? this.#closedError() : error;
    }
  }

  /** Ties a call to this channel and to its options. Returns a function that unties it. */
  #follow(call: AnyCall, { signal, onHeaders, onTrailers }: CallOptions): () => void {
    if (onHeaders !== undefined) call.on("metadata", onHeaders);
    if (onTrailers !== undefined) call.on("status", (status: StatusObject) => onTrailers(status.metadata));
    const cancel = () => call.cancel();
    signal?.addEventListener("abort", cancel, { once: true });
    this.#open.add(call);
    return () => {
      this.#open.delete(call);
      signal?.removeEventListener("abort", cancel);
    };
  }

  #failureOf(status: StatusObject | ServiceError, { signal }: CallOptions): StatusError {
    // grpc-js gives this failure neither a code nor a text.
    if ((status as Partial<StatusObject>).code === undefined) return this.#compressedWithoutEncoding();
    if (status.code === 1 && signal?.aborted) return cancelled(signal);
    if (status.code === 1 && this.#closed.signal.aborted) return this.#closedError();
    return inOurWords(decodeStatus(status), this.address);
  }

  #compressedWithoutEncoding(): StatusError {
    return refusal("PROTOCOL_VIOLATION", `${this.address} marked a message as compressed, but its answer has no grpc-encoding`);
  }

  #closedError(): StatusError {
    return new StatusError("UNAVAILABLE", `the channel to ${this.address} is closed`);
  }

  #rawOptions({ deadlineMs }: CallOptions): RawOptions {
    if (Number.isNaN(deadlineMs)) throw new StatusError("INVALID_ARGUMENT", "deadlineMs is not a number");
    return deadlineMs === undefined || deadlineMs > deadlineMsMax ? {} : { deadline: this.#clock.wallMs() + deadlineMs };
  }
}

/** Writes requests to a call until there are no more, or the call is over. */
class Outgoing {
  /** What `requests` threw; the call is then cancelled, and fails with it. */
  failure: Error | undefined;
  readonly #method: DescMethod;
  readonly #requests: AsyncIterable<MessageIn>;

  constructor(method: DescMethod, requests: AsyncIterable<MessageIn>) {
    this.#method = method;
    this.#requests = requests;
  }

  /** Never rejects. */
  async pour(call: ClientWritableStream<Buffer> | ClientDuplexStream<Buffer, Message>): Promise<void> {
    let over = false;
    call.on("error", ignore);
    call.on("status", () => {
      over = true;
    });
    try {
      for await (const request of this.#requests) {
        if (over || call.destroyed) return;
        if (!call.write(encodeRequest(this.#method, request)) && !over) await drained(call);
      }
      call.end();
    } catch (error) {
      this.failure = error instanceof Error ? error : new Error(String(error));
      call.cancel();
    }
  }
}

const ignore = () => {};

function encodeRequest(method: DescMethod, request: MessageIn): Buffer {
  try {
    return encode(method.input, request);
  } catch (error) {
    throw new StatusError("INVALID_ARGUMENT", `not a ${method.input.typeName}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function isStatus(error: Error): error is ServiceError {
  return "code" in error && "details" in error;
}

/** The reason of a signal, where it is a `StatusError`; otherwise CANCELLED. */
function cancelled(signal: AbortSignal | undefined): StatusError {
  return signal?.reason instanceof StatusError ? signal.reason : refusal("CANCELLED", "the call was cancelled");
}
