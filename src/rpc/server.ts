import type { DescMessage, DescMethod, MessageInitShape } from "@bufbuild/protobuf";
import {
  type handleUnaryCall,
  logVerbosity,
  type Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerWritableStream,
  type sendUnaryData,
  setLogVerbosity,
} from "@grpc/grpc-js";
import type { Clock } from "../clock/clock.ts";
import { refusal, StatusError } from "../core/errors.ts";
import { requestIdHeader } from "../core/metadata-keys.ts";
import type { Log } from "../log/log.ts";
import {
  asBytes,
  defaultMessageBytesMax,
  Encoded,
  encode,
  pathOf,
  type RequestDecoder,
  sendable,
  tooLargeFor,
  tryDecode,
  Undecodable,
  Undecoded,
} from "./codec.ts";
import { grpcServer } from "./grpc-server.ts";
import { encodeInParts } from "./in-parts.ts";
import { type Interceptor, runThrough } from "./interceptor.ts";
import { clearAddress } from "./listen-address.ts";
import { Listener } from "./listener.ts";
import { type Raw, ServerCall } from "./server-call.ts";
import { type CallContext, type Implementation, largeRequestBytes } from "./service.ts";
import { internalText } from "./status.ts";
import { boundReadAhead, drained, incoming, written } from "./streams.ts";

// grpc-js prints errors that it also throws.
if (process.env.GRPC_VERBOSITY === undefined) setLogVerbosity(logVerbosity.NONE);

export type { Interceptor } from "./interceptor.ts";

/**
 * A message above the limit by at most this is still read, so that it is refused with details;
 * grpc-js itself refuses larger ones.
 */
const excessBytesMax = 4 * 1024 * 1024;
/**
 * How long, after the grace period, answers may take to reach slow callers before their connections
 * are cut.
 */
const flushMs = 500;
/** After a message of at least this size, the next one waits until it has gone out. */
const largeMessageBytes = 64 * 1024;
/**
 * When a caller should try again that was refused as the server ends: there, or at the server that
 * replaces it.
 */
const retryElsewhereMs = 1_000;

export interface RpcServerOptions {
  readonly implementations: readonly Implementation[];
  /** Run around every call, the first outermost. */
  readonly interceptors?: readonly Interceptor[];
  readonly log: Pick<Log, "error">;
  /**
   * The largest request message of a service without a bound of its own. Default:
   * {@link defaultMessageBytesMax}. A larger message is
   * refused with MESSAGE_TOO_LARGE before any handler sees it; if it is more than {@link
   * excessBytesMax} larger, by grpc-js with RESOURCE_EXHAUSTED and no details.
   */
  readonly messageBytesMax?: number;
  /**
   * Decodes the requests, for a server that bounds what a request may hold. Default: all that fits
   * in `messageBytesMax` is decoded at once.
   */
  readonly requestDecoder?: RequestDecoder;
  /**
   * The message of the error for calls that arrive, or are still open, when the server ends.
   * Default: "this server is shutting down".
   */
  readonly closingText?: string;
  /** Connections at the same time. Default: no bound. */
  readonly connectionsMax?: number;
  /** The bound of connections is reached; see {@link Listener}. */
  readonly onCrowded?: (connectionsMax: number) => void;
  readonly clock: Clock;
}

/** A handler as the server calls it: request and response may each be a stream. */
type AnyHandler = (request: unknown, context: CallContext) => unknown;
type MessageOut = MessageInitShape<DescMessage>;

/** The largest messages of a service, in bytes. */
interface MessageBounds {
  readonly readBytesMax: number;
  /** Requests above this many bytes are decoded by `decoder`. */
  readonly plainBytesMax: number;
  /** Undefined: requests are decoded as they arrive. */
  readonly decoder: RequestDecoder | undefined;
  /** Undefined: no bound. */
  readonly sentBytesMax: number | undefined;
  /** As `Implementation.readAheadMax`. */
  readonly readAheadMax: number | undefined;
}

/** What is done with each call of a method. */
interface ServerWork extends Pick<MessageBounds, "sentBytesMax" | "decoder"> {
  readonly handle: AnyHandler;
  readonly nowMs: () => number;
}

const handlerTypes = {
  unary: "unary",
  server_streaming: "serverStream",
  client_streaming: "clientStream",
  bidi_streaming: "bidi",
} as const;

/** Serves typed implementations by gRPC. */
export class RpcServer {
  readonly #server: Server;
  readonly #listener: Listener;
  readonly #interceptors: readonly Interceptor[];
  readonly #log: Pick<Log, "error">;
  readonly #clock: Clock;
  readonly #nowMs: () => number;
  readonly #open = new Set<ServerCall>();
  readonly #startedAtMs: number;
  readonly #closingText: string;
  #requestIds = 0;
  #closing: Promise<void> | undefined;

  constructor(options: RpcServerOptions) {
    const { implementations, interceptors = [], log, messageBytesMax = defaultMessageBytesMax, closingText, clock } = options;
    const { requestDecoder } = options;
    this.#interceptors = interceptors;
    this.#closingText = closingText ?? "this server is shutting down";
    this.#log = log;
    this.#clock = clock;
    this.#nowMs = () => clock.wallMs();
    this.#startedAtMs = clock.nowMs();
    const readBytesMax = Math.max(messageBytesMax, ...implementations.map((one) => one.messageBytesMax ?? 0));
    this.#server = grpcServer(
      { "grpc.max_receive_message_length": readBytesMax + excessBytesMax, "grpc.enable_channelz": 0 },
      { nowMs: this.#nowMs, unsendable: (cause, headers) => this.#unexpected(cause, headers[":path"], headers[requestIdHeader]) },
    );
    const connections = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
    const { connectionsMax, onCrowded } = options;
    this.#listener = new Listener({
      onConnection: (socket) => connections.injectConnection(socket),
      onFault: (error) => log.error({ err: error }, "the server's socket failed; it takes no new connections"),
      connectionsMax,
      onCrowded,
      clock,
    });
    for (const { service, handlers, messageBytesMax: own, largeRequestDecoder, readAheadMax } of implementations) {
      const decoder = largeRequestDecoder ?? requestDecoder;
      const plainBytesMax = largeRequestDecoder === undefined ? -1 : largeRequestBytes;
      const bounds = { readBytesMax: own ?? messageBytesMax, sentBytesMax: own, plainBytesMax, decoder, readAheadMax };
      for (const method of service.methods) {
        const handle = handlers[method.localName] as AnyHandler | undefined;
        if (handle === undefined) throw new Error(`${service.typeName} has no handler of ${method.name}`);
        this.#register(method, handle.bind(handlers), bounds);
      }
    }
  }

  /**
   * Starts to serve at `host:port` (port 0: any free port) or `unix:/path`, and returns the
   * address. Throws an Error that says what to change where that is not possible.
   */
  async listen(address: string): Promise<string> {
    await clearAddress(address);
    return this.#listener.listen(address);
  }

  /**
   * Ends the server, and resolves when its last connection is closed. New calls are refused at
   * once, and the signals of streams abort. Calls still open after `graceMs` are answered
   * SHUTTING_DOWN, whatever their handlers do.
   */
  close(graceMs: number): Promise<void> {
    this.#closing ??= this.#close(graceMs);
    return this.#closing;
  }

  async #close(graceMs: number): Promise<void> {
    const reason = this.#shuttingDown();
    const over = Promise.all([this.#listener.close(), new Promise<void>((resolve) => this.#server.tryShutdown(() => resolve()))]);
    for (const call of this.#open) if (call.method.methodKind !== "unary") call.abort(reason);
    let cancelTimer = this.#clock.after(graceMs, () => {
      cancelTimer = this.#clock.after(flushMs, () => {
        this.#server.forceShutdown();
        this.#listener.destroyConnections();
      });
      for (const call of this.#open) {
        call.abort(reason);
        call.fail(reason);
      }
    });
    await over;
    cancelTimer();
  }

  #register(method: DescMethod, handle: AnyHandler, bounds: MessageBounds): void {
    const { sentBytesMax, decoder, readAheadMax } = bounds;
    const work: ServerWork = { handle, sentBytesMax, nowMs: this.#nowMs, decoder };
    const serve = (raw: Raw<Buffer>, callback?: sendUnaryData<Buffer>) => {
      if (readAheadMax !== undefined && !("request" in raw)) boundReadAhead(raw, readAheadMax);
      void this.#serve(new ServerCall(method, raw, callback, this.#nowMs), work);
    };
    // One function takes all four kinds: grpc-js passes a callback where the response is one
    // message.
    const free = this.#server.register(
      pathOf(method),
      serve as handleUnaryCall<unknown, Buffer>,
      asBytes,
      (bytes) => requestIn(method, bytes, bounds),
      handlerTypes[method.methodKind],
    );
    if (!free) throw new Error(`${method.parent.typeName} is implemented twice`);
  }

  /** Runs one call to its answer. Never rejects. */
  async #serve(call: ServerCall, work: ServerWork): Promise<void> {
    this.#open.add(call);
    const connection = this.#listener.connectionOf(call.raw.getPeer());
    this.#listener.begin(connection);
    try {
      if (this.#closing !== undefined) throw this.#shuttingDown();
      if (this.#interceptors.length === 0) await run(call, work);
      else await runThrough(this.#interceptors, call, () => run(call, work));
      call.succeed();
    } catch (error) {
      this.#fail(call, error);
    } finally {
      this.#open.delete(call);
      this.#listener.end(connection);
    }
  }

  #fail(call: ServerCall, error: unknown): void {
    try {
      call.fail(this.#statusOf(error, call));
    } catch (cause) {
      call.fail(this.#unexpected(cause, pathOf(call.method), call.metadata.get(requestIdHeader)[0]));
    }
  }

  #statusOf(error: unknown, call: ServerCall): StatusError {
    if (error instanceof StatusError) return error;
    // Node's own functions throw this when their signal aborts.
    if (call.abortReason !== undefined && error instanceof Error && error.name === "AbortError") return call.abortReason;
    return this.#unexpected(error, pathOf(call.method), call.metadata.get(requestIdHeader)[0]);
  }

  #unexpected(error: unknown, method: string | undefined, givenId: unknown): StatusError {
    const requestId = this.#requestIdOf(givenId);
    this.#log.error({ err: error, method, requestId }, "call failed by an unexpected error; answering INTERNAL");
    return refusal("INTERNAL", internalText, { metadata: { request_id: requestId } });
  }

  #shuttingDown(): StatusError {
    return refusal("SHUTTING_DOWN", this.#closingText, { retryAfterMs: retryElsewhereMs });
  }

  #requestIdOf(given: unknown): string {
    if (given !== undefined) return String(given).slice(0, 128);
    this.#requestIds += 1;
    return `${this.#startedAtMs.toString(36)}-${process.pid}-${this.#requestIds}`;
  }
}

/** A request as it arrives. A `RequestDecoder` decodes it when the call is served. */
function requestIn({ input }: DescMethod, bytes: Uint8Array, { readBytesMax, plainBytesMax, decoder }: MessageBounds): unknown {
  if (decoder === undefined || bytes.length <= plainBytesMax) return tryDecode(input, bytes, readBytesMax);
  return tooLargeFor(bytes, readBytesMax) ?? new Undecoded(bytes);
}

/** Runs the handler; resolves after its last message was written. */
async function run(call: ServerCall, { handle, sentBytesMax, nowMs, decoder }: ServerWork): Promise<void> {
  const { method, raw } = call;
  const read = (request: unknown) => decoded(request, method, decoder);
  // Nothing is awaited for a request that is decoded already.
  const first = "request" in raw ? read(raw.request) : requestsOf(call, read);
  const request = first instanceof Promise ? await first : first;
  if (method.methodKind === "unary" || method.methodKind === "client_streaming") {
    const response = (await handle(request, call)) as MessageOut | Encoded;
    const bytes = response instanceof Encoded ? response.bytes : await encodeInParts(method.output, response, nowMs);
    call.response = sendable(bytes, sentBytesMax);
    call.sendHeaders();
  } else {
    await pump(call, handle(request, call) as AsyncIterable<MessageOut | Encoded>, sentBytesMax);
  }
}

/**
 * Writes a handler's messages as fast as the caller reads them; ends the handler when the signal
 * aborts.
 */
async function pump(call: ServerCall, messages: AsyncIterable<MessageOut | Encoded>, sentBytesMax: number | undefined): Promise<void> {
  const raw = call.raw as ServerWritableStream<unknown, Buffer> | ServerDuplexStream<unknown, Buffer>;
  const { signal } = call;
  for await (const message of messages) {
    if (signal.aborted) break;
    call.sendHeaders();
    const bytes = sendable(message instanceof Encoded ? message.bytes : encode(call.method.output, message), sentBytesMax);
    // The stream counts messages, and not their bytes.
    if (bytes.length >= largeMessageBytes) await written(raw, bytes, signal);
    else if (!raw.write(bytes)) await drained(raw, signal);
  }
  // A handler that ended because of the signal did not send everything, so the call is not OK.
  if (call.abortReason !== undefined) throw call.abortReason;
  call.sendHeaders();
}

async function* requestsOf(call: ServerCall, read: (request: unknown) => unknown): AsyncGenerator<unknown, void> {
  const raw = call.raw as ServerDuplexStream<unknown, Buffer>;
  for await (const request of incoming<unknown>(raw, noFailure, call.signal)) yield read(request);
  // A caller that cancels may end its stream and reset it at once, as Node does. The reset must be
  // read, too, to know which it was.
  await new Promise((resolve) => setImmediate(resolve));
  call.signal.throwIfAborted();
}

const noFailure = () => undefined;

/** The message, or its promise. */
function decoded(request: unknown, { input }: DescMethod, decoder: RequestDecoder | undefined): unknown {
  if (request instanceof Undecodable) throw request.error;
  return request instanceof Undecoded && decoder !== undefined ? decoder(input, request.bytes) : request;
}
