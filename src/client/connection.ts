import { ControllerService } from "../../gen/drover/v1/controller_service_pb.ts";
import { realClock, realRandom } from "../clock/real.ts";
import { messageBytes } from "../core/message-bounds.ts";
import { Channel } from "../rpc/channel.ts";
import { DeploymentClient } from "./deployment-client.ts";
import { EndpointWatch } from "./endpoint-watch.ts";
import { makeHandle } from "./handle.ts";
import type { Handle, HandleOptions } from "./handle-types.ts";
import { RoutedCalls } from "./routed-calls.ts";

/**
 * The addresses of one controller. Where only its gateway is given or in the environment, all calls
 * go through it: what listens at the default address of the API may be another controller.
 */
export interface ConnectOptions {
  /** The controller's API, `host:port`. Default: the variable `DROVER_API`, else 127.0.0.1:9001. */
  readonly api?: string;
  /** Its gateway, `host:port`. Default: the variable `DROVER_GATEWAY`, else 127.0.0.1:9000. */
  readonly gateway?: string;
}

/**
 * How long the watch of a process that is no replica stays open after its last call, so that a
 * script ends by itself.
 */
const lingerMs = 100;

/**
 * A connection to a controller, which says where replicas are. Calls go to replicas directly where
 * one has room, else to the gateway.
 */
export class Connection {
  readonly #api: Channel | undefined;
  readonly #gateway: Channel;
  readonly #watch: EndpointWatch | undefined;
  readonly #calls: RoutedCalls;
  readonly #deployments = new Map<string, DeploymentClient>();

  constructor(api: string | undefined, gateway: string, options: { readonly lingerMs?: number } = {}) {
    this.#api = api === undefined ? undefined : new Channel(api);
    this.#gateway = new Channel(gateway, { messageBytesMax: messageBytes.max });
    const common = { clock: realClock, random: realRandom };
    this.#watch =
      this.#api && new EndpointWatch({ controller: this.#api.client(ControllerService), lingerMs: options.lingerMs, ...common });
    this.#calls = new RoutedCalls({ watch: this.#watch, gateway: this.#gateway, ...common });
  }

  /** A client of the deployment with this name. The deployment is looked up at the first call. */
  deployment(name: string): DeploymentClient {
    const known = this.#deployments.get(name);
    if (known !== undefined) return known;
    const client = new DeploymentClient(name, this.#calls, realClock, realRandom);
    this.#deployments.set(name, client);
    return client;
  }

  /** A handle of the deployment with this name: its methods are called as if it were the program. */
  handle<Program = unknown>(name: string, options?: HandleOptions): Handle<Program> {
    return makeHandle(name, this.deployment(name), realClock, options);
  }

  /** Ends all connections; until then they keep the process alive. */
  async close(): Promise<void> {
    await this.#watch?.close();
    this.#api?.close();
    this.#gateway.close();
  }
}

/** Connects to a controller. Throws a TypeError where only the address of its API is given. */
export function connect(options: ConnectOptions = {}): Connection {
  const { api, gateway } = addressesOf(options);
  return new Connection(api, gateway);
}

/** The controller whose deployments are called. */
interface CalledController {
  /** Undefined: calls go through the gateway alone. */
  readonly api: string | undefined;
  readonly gateway: string;
}

function addressesOf({ api, gateway }: ConnectOptions): CalledController {
  if (gateway !== undefined) return { api, gateway };
  if (api !== undefined) throw new TypeError("connect: gateway is not given: with api, give the gateway of the same controller");
  const { DROVER_API, DROVER_GATEWAY } = process.env;
  if (DROVER_GATEWAY) return { api: DROVER_API || undefined, gateway: DROVER_GATEWAY };
  return { api: DROVER_API || "127.0.0.1:9001", gateway: "127.0.0.1:9000" };
}

let shared: Connection | undefined;

/**
 * A handle of the deployment with this name. All handles of a process share one connection: of a
 * replica, to the controller that started it; else to `DROVER_API` and `DROVER_GATEWAY`.
 */
export function handle<Program = unknown>(name: string, options?: HandleOptions): Handle<Program> {
  if (shared === undefined) {
    const { api, gateway } = addressesOf({});
    shared = new Connection(api, gateway, process.env.DROVER_REPLICA_ID ? {} : { lingerMs });
  }
  return shared.handle(name, options);
}
