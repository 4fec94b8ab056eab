import type { Endpoint } from "../../gen/drover/v1/controller_service_pb.ts";
import type { Candidate } from "../core/traffic/pick.ts";
import { Channel } from "../rpc/channel.ts";
import type { OutOfReach } from "./out-of-reach.ts";

/** How long a connection to a replica may take before the call goes to the gateway. */
const connectMs = 1_000;

/** A replica that gets requests, and our connection to it, which is made when first needed. */
export class ReplicaEndpoint implements Candidate {
  readonly replicaId: string;
  /** Undefined: it can be reached from here, as far as is known. */
  readonly outOfReach: OutOfReach | undefined;
  readonly invocable: boolean;
  /** The models that it has loaded, as it last reported. Written by the watch. */
  models: ReadonlySet<string>;
  ongoing = 0;
  /** The requests of other callers are not known here. */
  readonly elsewhere = 0;
  resting = false;
  readonly #address: string;
  readonly #messageBytesMax: number;
  #channel: Channel | undefined;
  #gone = false;

  constructor({ replicaId, address, invocable, models }: Endpoint, messageBytesMax: number, outOfReach: OutOfReach | undefined) {
    this.replicaId = replicaId;
    this.outOfReach = outOfReach;
    this.invocable = invocable;
    this.models = new Set(models);
    this.#address = address;
    this.#messageBytesMax = messageBytesMax;
  }

  get channel(): Channel {
    this.#channel ??= new Channel(this.#address, { messageBytesMax: this.#messageBytesMax });
    return this.#channel;
  }

  /**
   * Whether it can be called now. A unix socket answers at once, so the call itself finds out; a
   * network may say nothing.
   */
  async connected(signal: AbortSignal | undefined): Promise<boolean> {
    if (this.#address.startsWith("unix:")) return true;
    try {
      await this.channel.ready(connectMs, signal);
      return true;
    } catch {
      return false;
    }
  }

  /** It gets no more requests: its connection is closed after the last one. */
  leave(): void {
    this.#gone = true;
    this.#closeIfIdle();
  }

  release(): void {
    this.ongoing--;
    this.#closeIfIdle();
  }

  #closeIfIdle(): void {
    if (this.#gone && this.ongoing === 0) this.#channel?.close();
  }
}
