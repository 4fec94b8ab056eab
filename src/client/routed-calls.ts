import type { Clock } from "../clock/clock.ts";
import { type Callee, StatusError } from "../core/errors.ts";
import { deploymentHeader, modelHeader, refusedTrailer, replicaHeader } from "../core/metadata-keys.ts";
import { replicaLost } from "../core/traffic/replica-lost.ts";
import type { MetadataValues } from "../rpc/call-metadata.ts";
import type { Channel } from "../rpc/channel.ts";
import type { CallOptions } from "../rpc/service.ts";
import type { EndpointWatch } from "./endpoint-watch.ts";
import type { Endpoints, WantedReplica } from "./endpoints.ts";
import type { CallTerms } from "./goes-along.ts";
import type { ReplicaEndpoint } from "./replica-endpoint.ts";

/** One call, wherever it goes. */
export interface RoutedCall {
  readonly deployment: string;
  readonly method: string;
  readonly terms: CallTerms;
  readonly options: CallOptions;
  /** Whether its request can be sent a second time, to the gateway after a replica. */
  readonly again: boolean;
  /** Which replicas it may go to directly. */
  readonly wanted: WantedReplica;
}

interface DirectPlace {
  readonly endpoints: Endpoints;
  readonly replica: ReplicaEndpoint;
}

export interface RoutedCallsParts {
  /** Undefined: calls go to the gateway alone. */
  readonly watch: EndpointWatch | undefined;
  readonly gateway: Channel;
  readonly clock: Clock;
}

/**
 * Sends calls to a replica where one is known that has room, and otherwise to the gateway, where
 * requests wait, wake a deployment from zero, and count. A call that a replica refused or never got
 * goes to the gateway; a call that a replica may have begun is never sent twice.
 */
export class RoutedCalls {
  readonly #parts: RoutedCallsParts;

  constructor(parts: RoutedCallsParts) {
    this.#parts = parts;
  }

  async unary<T>(call: RoutedCall, send: (channel: Channel, options: CallOptions) => Promise<T>): Promise<T> {
    for await (const way of this.#ways(call)) {
      try {
        return await send(way.channel, way.options);
      } catch (cause) {
        way.failed(cause);
      }
    }
    throw new Error("the failure of the last way is thrown");
  }

  async *stream<T>(call: RoutedCall, send: (channel: Channel, options: CallOptions) => AsyncIterable<T>): AsyncGenerator<T, void> {
    for await (const way of this.#ways(call)) {
      try {
        yield* send(way.channel, way.options);
        return;
      } catch (cause) {
        way.failed(cause);
      }
    }
  }

  /** The ways of a call: a replica where one has room, then the gateway. Leaving the loop gives places back. */
  async *#ways(call: RoutedCall): AsyncGenerator<Way, void> {
    const { watch, clock, gateway } = this.#parts;
    const { endpoints, end } = watch?.begin(call.deployment) ?? unwatched;
    try {
      const place = await this.#place(call, endpoints);
      if (place !== undefined) {
        const attempt = new Attempt(this.#bounded(call, place), clock, place.replica);
        const failed = (cause: unknown) => {
          const why = attempt.undelivered(cause);
          if (why === undefined) throw attempt.named(cause);
          place.endpoints.rest(place.replica, why);
        };
        try {
          yield { channel: place.replica.channel, options: attempt.options, failed };
        } finally {
          place.replica.release();
        }
      }
      const over = endpoints?.sendToGateway(call.wanted);
      const attempt = new Attempt(call, clock, over && { onAnswer: over });
      const failed = (cause: unknown) => {
        throw attempt.named(cause);
      };
      try {
        yield { channel: gateway, options: attempt.options, failed };
      } finally {
        over?.();
      }
    } finally {
      end();
    }
  }

  /** The call within the deployment's `request_timeout`, which the gateway keeps for other calls. */
  #bounded(call: RoutedCall, { endpoints: { requestTimeoutMs } }: DirectPlace): RoutedCall {
    if (requestTimeoutMs === undefined) return call;
    const endMs = Math.min(call.terms.endMs ?? Number.POSITIVE_INFINITY, this.#parts.clock.nowMs() + requestTimeoutMs);
    return { ...call, terms: { ...call.terms, endMs } };
  }

  /** Takes a place at a replica that has room and can be reached. Undefined: none is known. */
  async #place({ again, wanted, terms }: RoutedCall, endpoints: Endpoints | undefined): Promise<DirectPlace | undefined> {
    const replica = again ? endpoints?.acquire(wanted) : undefined;
    if (replica === undefined || endpoints === undefined) return undefined;
    if (await replica.connected(terms.signal)) return { endpoints, replica };
    endpoints.rest(replica, "unreachable");
    replica.release();
    return undefined;
  }
}

/** One server that a call may be sent to. */
interface Way {
  readonly channel: Channel;
  readonly options: CallOptions;
  /** Returns where the call did certainly not begin and may take the next way, else throws its failure. */
  failed(cause: unknown): void;
}

const unwatched = { endpoints: undefined, end: () => {} } as const;

/** A call on its way to one server. */
class Attempt {
  readonly options: CallOptions;
  readonly #call: RoutedCall;
  readonly #sentTo: string | undefined;
  #replicaId: string | undefined;
  #refused = false;

  /**
   * `replicaId`: the replica that it is sent to. Undefined: it is sent to the gateway. `onAnswer`: a
   * replica has begun to answer.
   */
  constructor(
    call: RoutedCall,
    clock: Clock,
    { replicaId, onAnswer }: { readonly replicaId?: string; readonly onAnswer?: () => void } = {},
  ) {
    const { terms, options, wanted, deployment } = call;
    this.#call = call;
    this.#sentTo = replicaId;
    this.#replicaId = replicaId;
    const metadata: Record<string, MetadataValues> =
      wanted.model === undefined ? { ...terms.metadata } : { ...without(modelHeader, terms.metadata), [modelHeader]: wanted.model };
    if (replicaId === undefined) metadata[deploymentHeader] = deployment;
    this.options = {
      metadata,
      ...(terms.signal && { signal: terms.signal }),
      ...(terms.endMs !== undefined && { deadlineMs: Math.max(1, terms.endMs - clock.nowMs()) }),
      onHeaders: (headers) => {
        onAnswer?.();
        this.#replicaId ??= headers.get(replicaHeader)[0]?.toString();
        options.onHeaders?.(headers);
      },
      onTrailers: (trailers) => {
        this.#replicaId ??= trailers.get(replicaHeader)[0]?.toString();
        this.#refused = replicaId !== undefined && trailers.get(refusedTrailer).length > 0;
        if (!this.#refused) options.onTrailers?.(trailers);
      },
    };
  }

  /** Why the replica has certainly done nothing about the call. Undefined: it may have. */
  undelivered(cause: unknown): "refused" | "unreachable" | undefined {
    if (this.#refused) return "refused";
    return cause instanceof StatusError && cause.facts.unreached !== undefined ? "unreachable" : undefined;
  }

  /** The error with the callee's name. The end of the caller's own request is not the callee's. */
  named(cause: unknown): unknown {
    const { terms, deployment, method } = this.#call;
    if (!(cause instanceof StatusError) || terms.signal?.aborted) return cause;
    const callee: Callee = { deployment, method, ...(this.#replicaId !== undefined && { replica: this.#replicaId }) };
    const { code, message, reason, facts } = this.#sentTo !== undefined && cause.facts.lost ? replicaLost(deployment, this.#sentTo) : cause;
    return new StatusError(code, message, { ...facts, ...(reason && { reason }), callee });
  }
}

function without(name: string, metadata: Readonly<Record<string, MetadataValues>>): Record<string, MetadataValues> {
  return Object.fromEntries(Object.entries(metadata).filter(([other]) => other.toLowerCase() !== name));
}
