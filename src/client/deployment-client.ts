import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { InvokeService } from "../../gen/drover/v1/invoke_service_pb.ts";
import type { Clock } from "../clock/clock.ts";
import { refusal, type StatusError } from "../core/errors.ts";
import type { CallOptions, Client } from "../rpc/service.ts";
import { decodeResult, encodeArguments } from "../rpc/values.ts";
import type { Endpoints, ReplicaEndpoint } from "./endpoints.ts";

/** How long a call without a deadline waits for a replica. */
const waitMaxMs = 60_000;
/** How long a connection to a replica may take before the call tries another one. */
const connectMs = 1_000;
/** The trailer of a call that a replica refused before it began. */
const refusedTrailer = "drover-refused";

/** A call that has a place at a replica. */
interface PlacedCall {
  readonly endpoint: ReplicaEndpoint;
  readonly options: CallOptions;
  /** Whether the replica refused, so that the call may go elsewhere. */
  refused(): boolean;
}

/**
 * Calls the replicas of one deployment. A call waits for a replica until its deadline, or 60 s
 * without one. A call that a replica refused or never got goes to another replica; a call that it
 * may have begun is never sent twice. Every failure is a `StatusError`.
 */
export class DeploymentClient {
  readonly #name: string;
  readonly #endpoints: Endpoints;
  readonly #clock: Clock;

  constructor(name: string, endpoints: Endpoints, clock: Clock) {
    this.#name = name;
    this.#endpoints = endpoints;
    this.#clock = clock;
  }

  /**
   * Calls a method of the program; empty: `call`. Bytes are sent and returned as bytes, anything
   * else as JSON.
   */
  async invoke(method: string, input?: unknown, options: CallOptions = {}): Promise<unknown> {
    const request = { deployment: this.#name, method, ...encodeArguments({ positional: [input], named: {} }) };
    const send = (endpoint: ReplicaEndpoint, placed: CallOptions) => endpoint.client(InvokeService).invoke(request, placed);
    return decodeResult(await this.#unary(send, options));
  }

  /** Calls a method that returns a stream of results. Leaving the loop cancels the call. */
  async *stream(method: string, input?: unknown, options: CallOptions = {}): AsyncGenerator<unknown, void> {
    const request = { deployment: this.#name, method, ...encodeArguments({ positional: [input], named: {} }) };
    const send = (endpoint: ReplicaEndpoint, placed: CallOptions) => endpoint.client(InvokeService).invokeServerStream(request, placed);
    for await (const response of this.#streaming(send, options, true)) yield decodeResult(response);
  }

  /** A typed client of one of the program's own gRPC services. */
  service<S extends DescService>(service: S): Client<S> {
    return Object.fromEntries(service.methods.map((method) => [method.localName, this.#caller(service, method)])) as Client<S>;
  }

  /** Ends the watch of replicas and closes the connections to them. */
  close(): Promise<void> {
    return this.#endpoints.close();
  }

  #caller(service: DescService, method: DescMethod) {
    type AnyCall = (request: unknown, options: CallOptions) => never;
    const call = (endpoint: ReplicaEndpoint) => (endpoint.client(service) as Record<string, AnyCall>)[method.localName] as AnyCall;
    // A stream of requests cannot be read a second time.
    const again = method.methodKind === "unary" || method.methodKind === "server_streaming";
    return method.methodKind === "unary" || method.methodKind === "client_streaming"
      ? (request: unknown, options: CallOptions = {}) =>
          this.#unary((endpoint, placed) => call(endpoint)(request, placed) as Promise<unknown>, options, again)
      : (request: unknown, options: CallOptions = {}) =>
          this.#streaming((endpoint, placed) => call(endpoint)(request, placed) as AsyncIterable<unknown>, options, again);
  }

  async #unary<T>(send: (endpoint: ReplicaEndpoint, options: CallOptions) => Promise<T>, options: CallOptions, again = true): Promise<T> {
    const endMs = this.#endMs(options);
    for (;;) {
      const place = await this.#place(options, endMs);
      try {
        return await send(place.endpoint, place.options);
      } catch (cause) {
        if (!again || !place.refused()) throw cause;
        this.#endpoints.rest(place.endpoint, "refused");
      } finally {
        this.#endpoints.release(place.endpoint);
      }
    }
  }

  async *#streaming<T>(
    send: (endpoint: ReplicaEndpoint, options: CallOptions) => AsyncIterable<T>,
    options: CallOptions,
    again: boolean,
  ): AsyncGenerator<T, void> {
    const endMs = this.#endMs(options);
    for (;;) {
      const place = await this.#place(options, endMs);
      try {
        yield* send(place.endpoint, place.options);
        return;
      } catch (cause) {
        if (!again || !place.refused()) throw cause;
        this.#endpoints.rest(place.endpoint, "refused");
      } finally {
        this.#endpoints.release(place.endpoint);
      }
    }
  }

  #endMs({ deadlineMs }: CallOptions): number | undefined {
    return deadlineMs === undefined ? undefined : this.#clock.nowMs() + deadlineMs;
  }

  /** Waits for a place at a replica that can be reached. */
  async #place(options: CallOptions, endMs: number | undefined): Promise<PlacedCall> {
    const waitMs = endMs === undefined ? waitMaxMs : Math.max(0, endMs - this.#clock.nowMs());
    const wait = new AbortController();
    const onAbort = () => wait.abort(refusal("CANCELLED", "the call was cancelled"));
    const stopTimer = this.#clock.after(waitMs, () => wait.abort(this.#tooLate(endMs)));
    options.signal?.addEventListener("abort", onAbort);
    if (options.signal?.aborted) onAbort();
    try {
      for (;;) {
        const endpoint = await this.#endpoints.acquire(wait.signal);
        if (await reachable(endpoint, wait.signal)) return this.#placed(endpoint, options, endMs);
        this.#endpoints.rest(endpoint, "unreachable");
        this.#endpoints.release(endpoint);
      }
    } finally {
      stopTimer();
      options.signal?.removeEventListener("abort", onAbort);
    }
  }

  #placed(endpoint: ReplicaEndpoint, options: CallOptions, endMs: number | undefined): PlacedCall {
    let refused = false;
    const onTrailers: CallOptions["onTrailers"] = (metadata) => {
      refused = metadata.get(refusedTrailer).length > 0;
      if (!refused) options.onTrailers?.(metadata);
    };
    const left = endMs === undefined ? {} : { deadlineMs: Math.max(1, endMs - this.#clock.nowMs()) };
    return { endpoint, options: { ...options, ...left, onTrailers }, refused: () => refused };
  }

  #tooLate(endMs: number | undefined): StatusError {
    return endMs === undefined
      ? refusal("NO_REPLICA", `no replica of "${this.#name}" could take the request within ${waitMaxMs / 1000} s`)
      : refusal("QUEUE_DEADLINE", `the deadline passed while the request waited for a replica of "${this.#name}"`);
  }
}

async function reachable(endpoint: ReplicaEndpoint, signal: AbortSignal): Promise<boolean> {
  try {
    await endpoint.channel.ready(connectMs, signal);
    return true;
  } catch {
    return false;
  }
}
