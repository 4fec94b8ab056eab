import { ControllerService } from "../../gen/drover/v1/controller_service_pb.ts";
import { realClock, realRandom } from "../clock/real.ts";
import { Channel } from "../rpc/channel.ts";
import { DeploymentClient } from "./deployment-client.ts";
import { Endpoints } from "./endpoints.ts";

export { type Code, type ErrorDetail, type ErrorFacts, type FieldViolation, StatusError } from "../core/errors.ts";
export { Channel } from "../rpc/channel.ts";
export { detailOf } from "../rpc/error-detail.ts";
export { Media } from "../rpc/media.ts";
export type { CallOptions, Client } from "../rpc/service.ts";
export { type ElementType, Tensor, type TypedArray } from "../rpc/tensor.ts";
export type { DeploymentClient } from "./deployment-client.ts";

export interface ConnectOptions {
  /** The controller's API, `host:port`. Default: the variable `DROVER_API`, else 127.0.0.1:9001. */
  readonly api?: string;
}

/**
 * A connection to a controller, which reports where replicas are. Requests go to replicas directly.
 */
export class Connection {
  readonly #channel: Channel;
  readonly #deployments = new Map<string, DeploymentClient>();

  constructor(api: string) {
    this.#channel = new Channel(api);
  }

  /** A client of the deployment with this name. The deployment is looked up at the first call. */
  deployment(name: string): DeploymentClient {
    let client = this.#deployments.get(name);
    if (!client) {
      const endpoints = new Endpoints(name, this.#channel.client(ControllerService), realClock, realRandom);
      client = new DeploymentClient(name, endpoints, realClock);
      this.#deployments.set(name, client);
    }
    return client;
  }

  /** Ends all connections; until then they keep the process alive. */
  async close(): Promise<void> {
    await Promise.all([...this.#deployments.values()].map((client) => client.close()));
    this.#channel.close();
  }
}

export function connect(options: ConnectOptions = {}): Connection {
  return new Connection(options.api ?? (process.env.DROVER_API || "127.0.0.1:9001"));
}
