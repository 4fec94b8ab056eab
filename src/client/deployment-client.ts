import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { InvokeService } from "../../gen/drover/v1/invoke_service_pb.ts";
import type { Clock, Random } from "../clock/clock.ts";
import { modelHeader } from "../core/metadata-keys.ts";
import { functionMethod } from "../program/definition.ts";
import type { Channel } from "../rpc/channel.ts";
import { requestInWork } from "../rpc/request-in-work.ts";
import type { CallOptions, Client } from "../rpc/service.ts";
import { type ArgumentFields, decodeResult, encodeArguments, type GivenArguments } from "../rpc/values.ts";
import { type CallTerms, goesAlong } from "./goes-along.ts";
import type { RoutedCall, RoutedCalls } from "./routed-calls.ts";
import { settled } from "./settled.ts";

const requestIdLength = 12;

type InvokeRequestInit = ArgumentFields & { readonly deployment: string; readonly method: string };

/** The options of a call by name. */
export interface InvokeOptions extends CallOptions {
  /** The model that the call is for, of a program that loads several. */
  readonly model?: string | undefined;
}

interface CancellableOptions extends InvokeOptions {
  /**
   * Ends the call; aborted when the request or `signal` ends it. An `AbortSignal.any` for each call
   * would cost more than the rest of the call's preparation.
   */
  readonly leave?: AbortController;
}

/**
 * Calls one deployment: a replica directly where one is known that has room, else the gateway. A
 * call for a request takes along its deadline, its end and some of its metadata. Every failure is a
 * `StatusError` with its `callee`.
 */
export class DeploymentClient {
  readonly #name: string;
  readonly #calls: RoutedCalls;
  readonly #clock: Clock;
  readonly #random: Random;

  constructor(name: string, calls: RoutedCalls, clock: Clock, random: Random) {
    this.#name = name;
    this.#calls = calls;
    this.#clock = clock;
    this.#random = random;
  }

  /**
   * Calls a method of the program; empty: `call`. Bytes are sent and returned as bytes, anything
   * else as JSON.
   */
  invoke(method: string, input?: unknown, options: InvokeOptions = {}): Promise<unknown> {
    return this.call(method, { positional: [input], named: {} }, options);
  }

  /** Calls a method that returns a stream of results. Leaving the loop cancels the call. */
  stream(method: string, input?: unknown, options: InvokeOptions = {}): AsyncGenerator<unknown, void> {
    return this.callStream(method, { positional: [input], named: {} }, options);
  }

  /** As `invoke`, with several arguments. */
  async call(method: string, given: GivenArguments, { leave, ...options }: CancellableOptions = {}): Promise<unknown> {
    const call = this.#routed(method || functionMethod, options, { again: true, invocable: true });
    if (leave === undefined) return this.#answer(method, given, call);
    const { signal } = call.terms;
    const follow = () => leave.abort(signal?.reason);
    if (signal?.aborted) follow();
    signal?.addEventListener("abort", follow);
    try {
      return await this.#answer(method, given, { ...call, terms: { ...call.terms, signal: leave.signal } });
    } finally {
      signal?.removeEventListener("abort", follow);
    }
  }

  async #answer(method: string, given: GivenArguments, call: RoutedCall): Promise<unknown> {
    const request = this.#request(method, (await settled(given, call.terms, this.#clock)) ?? given);
    return decodeResult(await this.#calls.unary(call, (channel, placed) => channel.client(InvokeService).invoke(request, placed)));
  }

  /** As `stream`, with several arguments. */
  callStream(method: string, given: GivenArguments, options: InvokeOptions = {}): AsyncGenerator<unknown, void> {
    // Now, and not when the stream is first read: that may be in another request.
    const call = this.#routed(method || functionMethod, options, { again: true, invocable: true });
    const later = settled(given, call.terms, this.#clock)?.then((known) => this.#request(method, known));
    later?.catch(() => {}); // the stream may never be read
    return this.#results(call, later ?? this.#request(method, given));
  }

  /** A typed client of one of the program's own gRPC services. */
  service<S extends DescService>(service: S): Client<S> {
    return Object.fromEntries(service.methods.map((method) => [method.localName, this.#caller(service, method)])) as Client<S>;
  }

  #request(method: string, given: GivenArguments) {
    return { deployment: this.#name, method, ...encodeArguments(given) };
  }

  async *#results(call: RoutedCall, later: InvokeRequestInit | Promise<InvokeRequestInit>): AsyncGenerator<unknown, void> {
    const request = await later;
    const responses = this.#calls.stream(call, (channel, placed) => channel.client(InvokeService).invokeServerStream(request, placed));
    for await (const response of responses) yield decodeResult(response);
  }

  #caller(service: DescService, method: DescMethod) {
    type AnyCall = (request: unknown, options: CallOptions) => never;
    const call = (channel: Channel) => (channel.client(service) as unknown as Record<string, AnyCall>)[method.localName] as AnyCall;
    // A stream of requests cannot be read a second time, so it goes to the gateway.
    const again = method.methodKind === "unary" || method.methodKind === "server_streaming";
    const routed = (options: CallOptions) => this.#routed(method.name, options, { again, invocable: false });
    return method.methodKind === "unary" || method.methodKind === "client_streaming"
      ? (request: unknown, options: CallOptions = {}) =>
          this.#calls.unary(routed(options), (channel, placed) => call(channel)(request, placed) as Promise<unknown>)
      : (request: unknown, options: CallOptions = {}) =>
          this.#calls.stream(routed(options), (channel, placed) => call(channel)(request, placed) as AsyncIterable<unknown>);
  }

  #routed(
    method: string,
    { model, ...options }: InvokeOptions,
    { again, invocable }: Pick<RoutedCall, "again"> & { readonly invocable: boolean },
  ): RoutedCall {
    const terms = goesAlong(requestInWork(), options, this.#clock, () => this.#random.id(requestIdLength));
    return { deployment: this.#name, method, terms, options, again, wanted: { invocable, model: model || modelIn(terms.metadata) } };
  }
}

/** The model that a call with this metadata is for. */
function modelIn(metadata: CallTerms["metadata"]): string | undefined {
  const [, values] = Object.entries(metadata).find(([name]) => name.toLowerCase() === modelHeader) ?? [];
  const first = Array.isArray(values) ? values[0] : values;
  return typeof first === "string" && first !== "" ? first : undefined;
}
