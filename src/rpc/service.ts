import type {
  DescMethod,
  DescMethodBiDiStreaming,
  DescMethodClientStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
  DescService,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import type { Metadata } from "@grpc/grpc-js";
import type { StatusError } from "../core/errors.ts";
import type { MetadataValues } from "./call-metadata.ts";
import type { Encoded, RequestDecoder } from "./codec.ts";

/** A call, for its handler. */
export interface CallContext {
  readonly method: DescMethod;
  /** Aborts when the caller leaves, the deadline passes, or (for streams) the server shuts down. */
  readonly signal: AbortSignal;
  /** When the caller stops waiting, milliseconds since 1970; undefined: never. */
  readonly deadlineMs: number | undefined;
  /** The headers of the request. */
  readonly metadata: Metadata;
  /** Headers to send before the first message. Those that cannot be sent make the call INTERNAL. */
  readonly responseHeaders: Metadata;
  /** Trailers to send with the status. Those that cannot be sent make the call INTERNAL. */
  readonly responseTrailers: Metadata;
  /** Ends the call with this error, also while its caller does not read. */
  abort(reason: StatusError): void;
}

type Handler<M extends DescMethod> =
  M extends DescMethodUnary<infer I, infer O>
    ? (request: MessageShape<I>, context: CallContext) => Promise<MessageInitShape<O> | Encoded> | MessageInitShape<O> | Encoded
    : M extends DescMethodServerStreaming<infer I, infer O>
      ? (request: MessageShape<I>, context: CallContext) => AsyncIterable<MessageInitShape<O> | Encoded>
      : M extends DescMethodClientStreaming<infer I, infer O>
        ? (requests: AsyncIterable<MessageShape<I>>, context: CallContext) => Promise<MessageInitShape<O>> | MessageInitShape<O>
        : M extends DescMethodBiDiStreaming<infer I, infer O>
          ? (requests: AsyncIterable<MessageShape<I>>, context: CallContext) => AsyncIterable<MessageInitShape<O>>
          : never;

/** Handlers of all methods of a service, by their TypeScript names. */
export type ServiceHandlers<S extends DescService> = { readonly [M in keyof S["method"]]: Handler<S["method"][M]> };

/** A service with its handlers; made by `implement`. */
export interface Implementation {
  readonly service: DescService;
  readonly handlers: Readonly<Record<string, (request: never, context: CallContext) => unknown>>;
  /**
   * The largest message that it reads and sends, in bytes. Default: it reads what the server reads,
   * and sends without a bound.
   */
  readonly messageBytesMax?: number;
  /**
   * How many messages of a caller's stream are read before the handler asks for them. Default: 16.
   * Less where messages are large.
   */
  readonly readAheadMax?: number;
  /**
   * Decodes requests above {@link largeRequestBytes}, and bounds what they may hold. Default: as the
   * server decodes all requests.
   */
  readonly largeRequestDecoder?: RequestDecoder;
}

/** The largest request that is decoded without a look at what it holds, in bytes. */
export const largeRequestBytes = 64 * 1024;

/** Pairs a generated service with handlers of the right types. */
export function implement<S extends DescService>(service: S, handlers: ServiceHandlers<S>): Implementation {
  return { service, handlers: handlers as unknown as Implementation["handlers"] };
}

export interface CallOptions {
  /** Cancels the call. */
  readonly signal?: AbortSignal;
  /**
   * Milliseconds from now until DEADLINE_EXCEEDED, up to 99,999,999 hours. Default: no deadline.
   */
  readonly deadlineMs?: number;
  /**
   * Headers to send, at most 64 KiB in all: text in ASCII, or bytes where the key ends in `-bin`;
   * an array is sent value by value.
   */
  readonly metadata?: Readonly<Record<string, MetadataValues>>;
  /** Called with the headers that the server sent before its first message. */
  readonly onHeaders?: (metadata: Metadata) => void;
  /** Called with the trailers that came with the status. */
  readonly onTrailers?: (metadata: Metadata) => void;
}

type ClientMethod<M extends DescMethod> =
  M extends DescMethodUnary<infer I, infer O>
    ? (request: MessageInitShape<I>, options?: CallOptions) => Promise<MessageShape<O>>
    : M extends DescMethodServerStreaming<infer I, infer O>
      ? (request: MessageInitShape<I>, options?: CallOptions) => AsyncIterable<MessageShape<O>>
      : M extends DescMethodClientStreaming<infer I, infer O>
        ? (requests: AsyncIterable<MessageInitShape<I>>, options?: CallOptions) => Promise<MessageShape<O>>
        : M extends DescMethodBiDiStreaming<infer I, infer O>
          ? (requests: AsyncIterable<MessageInitShape<I>>, options?: CallOptions) => AsyncIterable<MessageShape<O>>
          : never;

/** A typed client of a service. Every failure is a `StatusError`. */
export type Client<S extends DescService> = { readonly [M in keyof S["method"]]: ClientMethod<S["method"][M]> };
