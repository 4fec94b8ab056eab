/**
 * A call between its two sides: the caller, and the replica that works on it. `Call` decides what
 * happens to a call and knows only these interfaces. A wire implements them on real connections:
 * `wire/` does so on node:http2. Every wire passes `test/contract/gateway-wire.test.ts`.
 */

import type { Clock } from "../clock/clock.ts";

/**
 * Header or trailer fields. Names are in lower case; a name that came several times has its values
 * in order. The order of values of different names says nothing, in HTTP as in gRPC.
 */
export type HeaderFields = Record<string, string | string[] | undefined>;

/** No fields yet. It inherits nothing, for `constructor` and `__proto__` are names like others. */
export function noFields(): HeaderFields {
  return Object.create(null) as HeaderFields;
}

/** Error codes of HTTP/2. */
export const http2Code = { internalError: 2, enhanceYourCalm: 11 } as const;

/**
 * The caller's side of one call, as HTTP/2 sees it: request headers and bytes come in, response
 * headers, bytes and trailers go out. After the caller has left, every method does nothing.
 */
export interface CallerSide {
  /**
   * The headers of the request, those that begin with a colon included. The call may change them,
   * to send them on.
   */
  readonly headers: HeaderFields;
  /** Names the receiver of the events. Called once, before any other method. */
  attach(events: CallerEvents): void;
  /** Lets the request's bytes come. Before the first `resume` none come. */
  resume(): void;
  /**
   * Stops the request's bytes; the caller can send only as much as its flow control window holds.
   */
  pause(): void;
  /**
   * Sends the response's headers, once. With `whole`, the response ends with them, and what the
   * caller may still send of its request is refused without an error. Throws for headers that
   * HTTP/2 does not allow; then none are sent.
   */
  respond(headers: HeaderFields, whole: boolean): void;
  /** Sends response bytes. False: the caller does not keep up; `callerReady` says when it does. */
  write(chunk: Buffer): boolean;
  /**
   * Ends the response with these trailers, and refuses the rest of the request without an error.
   * Trailers that HTTP/2 does not allow reset the call with INTERNAL_ERROR.
   */
  end(trailers: HeaderFields): void;
  /** Ends the call with an error code of HTTP/2 and nothing else. */
  reset(code: number): void;
  /** Answers in plain HTTP, for callers that do not speak gRPC. */
  respondPlainly(status: number, text: string): void;
}

/** What comes from the caller. No event comes within `attach`. */
export interface CallerEvents {
  requestData(chunk: Buffer): void;
  /** The caller has sent all of its request. Does not come for a request that was cut off. */
  requestEnd(): void;
  /** The caller takes response bytes again, after `write` returned false. */
  callerReady(): void;
  /**
   * Nothing more comes or goes: the caller left, or it has the whole response. May come more than
   * once.
   */
  callerGone(): void;
}

/** A replica's side of one call: request bytes go out, the response comes in. */
export interface ReplicaSide {
  /** Sends request bytes. False: the replica does not keep up; `replicaReady` says when it does. */
  write(chunk: Buffer): boolean;
  /** All of the request is sent. */
  end(): void;
  /** Lets the response's bytes come. Before the first `resume` none come. */
  resume(): void;
  /** Stops the response's bytes. */
  pause(): void;
  /**
   * Gives up the replica's stream; if the response is not complete, the replica sees it cancelled.
   * No event comes any more.
   */
  letGo(): void;
}

/** What comes from the replica. No event comes within `ReplicaConnection.open`. */
export interface ReplicaEvents {
  /**
   * The response's headers; informational ones do not come. With `whole`, they are all of the
   * response, and this is the last event.
   */
  response(headers: HeaderFields, whole: boolean): void;
  responseData(chunk: Buffer): void;
  /** The replica is done with the call. Bytes of the response may still come. */
  responseTrailers(trailers: HeaderFields): void;
  /**
   * The last event: all of the response has come. Does not come for a response that was cut off.
   */
  responseEnd(): void;
  /** The replica takes request bytes again, after `write` returned false. */
  replicaReady(): void;
  /**
   * The last event: the stream ended before its response did. `code` is an error code of HTTP/2,
   * for the fate `reset`.
   */
  replicaGone(fate: Fate, code: number): void;
}

/** What became of a replica's stream that ended before its response did. */
export type Fate =
  /** The replica never saw the request: there was no connection. */
  | "unreached"
  /** The replica says that it did nothing about the request. */
  | "refused"
  /** The connection broke. The request may or may not have had its effect. */
  | "lost"
  /** The replica gave up this stream alone. */
  | "reset";

/** A connection to a replica. */
export interface ReplicaConnection {
  /** Whether it takes new calls. */
  readonly usable: boolean;
  /** Resolves when it is closed. */
  readonly ended: Promise<void>;
  /**
   * Sends the headers of a request; also before the connection is established. Throws for headers
   * that HTTP/2 does not allow.
   */
  open(headers: HeaderFields, events: ReplicaEvents): ReplicaSide;
  /** Takes no new calls, and closes when those it has are over. */
  retire(): void;
  /** Closes at once. */
  close(): Promise<void>;
}

/** Takes the connections of callers. */
export interface CallerServer {
  /**
   * Starts to serve at `host:port` (port 0: any free one) or `unix:/path`. Returns the bound
   * address. Fails if that is not possible.
   */
  listen(address: string): Promise<string>;
  /**
   * Takes no new connections and calls. Resolves when the last call has ended and the last
   * connection is closed.
   */
  close(): Promise<void>;
  /** Closes all connections at once, whatever they have in work. */
  destroyConnections(): void;
}

export interface ServeOptions {
  /** Receives each call, and attaches to it at once. */
  readonly onCall: (caller: CallerSide) => void;
  /** A caller broke its connection, which is closed. */
  readonly onCallerFault: (error: Error) => void;
  /** The listening socket failed. */
  readonly onServerFault: (error: Error) => void;
  /** Connections at the same time. Default: no bound. */
  readonly connectionsMax?: number | undefined;
  /** The bound of connections is reached: idle ones are closed for new ones. */
  readonly onCrowded?: ((connectionsMax: number) => void) | undefined;
  readonly clock: Clock;
}

/** How calls come from callers and go to replicas. */
export interface Wire {
  serve(options: ServeOptions): CallerServer;
  /**
   * Connects to `host:port` or `unix:/path`. `onLost` is called once, when the connection was
   * established and ends without having been closed here.
   */
  connect(address: string, onLost: () => void): ReplicaConnection;
}
