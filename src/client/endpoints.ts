import { durationMs } from "@bufbuild/protobuf/wkt";
import type { WatchEndpointsResponse } from "../../gen/drover/v1/controller_service_pb.ts";
import type { Clock, Random } from "../clock/clock.ts";
import { pick } from "../core/traffic/pick.ts";
import { outOfReach } from "./out-of-reach.ts";
import { ReplicaEndpoint } from "./replica-endpoint.ts";

/** How long a replica gets no requests after it refused one or could not be reached. */
const restMs = { refused: 100, unreachable: 1_000 } as const;

/** Which replicas may get a call. */
export interface WantedReplica {
  /** Only replicas that serve `drover.v1.InvokeService`. */
  readonly invocable: boolean;
  /** Only replicas that have loaded this model. */
  readonly model?: string | undefined;
}

/**
 * What is known of the replicas of one deployment, and how many of our requests each has. What is
 * known may be old: a replica that is gone cannot be reached, and the call goes to the gateway.
 */
export class Endpoints {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #replicas = new Map<string, ReplicaEndpoint>();
  #maxOngoing = 0;
  #requestTimeoutMs: number | undefined;
  #waiting = 0;

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /**
   * Takes a place at a replica that has room, until its `release`. Undefined: none is known, or calls
   * of this process wait at the gateway already, which come first.
   */
  acquire(wanted: WantedReplica): ReplicaEndpoint | undefined {
    if (this.#waiting > 0) return undefined;
    const replica = pick(this.#fitting(wanted), this.#maxOngoing, this.#random.next(), this.#random.next());
    if (replica !== undefined) replica.ongoing++;
    return replica;
  }

  #fitting({ invocable, model }: WantedReplica): readonly ReplicaEndpoint[] {
    return [...this.#replicas.values()].filter(
      (replica) =>
        replica.outOfReach === undefined && (!invocable || replica.invocable) && (model === undefined || replica.models.has(model)),
    );
  }

  /** How long a request to a replica may take, as the gateway has it. Undefined: no bound. */
  get requestTimeoutMs(): number | undefined {
    return this.#requestTimeoutMs;
  }

  /** Gives no requests to a replica for a moment, after it refused one or could not be reached. */
  rest(replica: ReplicaEndpoint, why: keyof typeof restMs): void {
    if (replica.resting) return;
    replica.resting = true;
    this.#clock.after(restMs[why], () => {
      replica.resting = false;
    });
  }

  /**
   * A call goes to the gateway. Returns what to call when it waits no more; again is harmless. If it
   * goes there for want of room, later calls follow it, so that the gateway, which counts what it
   * sends, fills what is freed.
   */
  sendToGateway(wanted: WantedReplica): () => void {
    if (this.#fitting(wanted).length === 0) return () => {};
    this.#waiting++;
    let waits = true;
    return () => {
      if (waits) this.#waiting--;
      waits = false;
    };
  }

  /** The present state, as the controller says. */
  async become({ endpoints, maxOngoingRequests, maxMessageBytes, requestTimeout }: WatchEndpointsResponse): Promise<void> {
    const fresh = endpoints.filter(({ replicaId }) => !this.#replicas.has(replicaId));
    const reach = new Map(await Promise.all(fresh.map(async ({ replicaId, address }) => [replicaId, await outOfReach(address)] as const)));
    const present = new Set(endpoints.map(({ replicaId }) => replicaId));
    for (const id of this.#replicas.keys()) if (!present.has(id)) this.#remove(id);
    for (const endpoint of endpoints) {
      const known = this.#replicas.get(endpoint.replicaId);
      if (known !== undefined) known.models = new Set(endpoint.models);
      else this.#replicas.set(endpoint.replicaId, new ReplicaEndpoint(endpoint, Number(maxMessageBytes), reach.get(endpoint.replicaId)));
    }
    this.#maxOngoing = maxOngoingRequests;
    this.#requestTimeoutMs = requestTimeout && durationMs(requestTimeout);
  }

  /** Nothing is known any more. */
  forget(): void {
    for (const id of this.#replicas.keys()) this.#remove(id);
  }

  #remove(id: string): void {
    this.#replicas.get(id)?.leave();
    this.#replicas.delete(id);
  }
}
