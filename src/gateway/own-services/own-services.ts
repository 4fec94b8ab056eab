import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InvokeService } from "../../../gen/drover/v1/invoke_service_pb.ts";
import { Health } from "../../../gen/health/v1/health_pb.ts";
import type { Clock } from "../../clock/clock.ts";
import type { Log } from "../../log/log.ts";
import { HealthService } from "../../rpc/health.ts";
import { descriptorsOf, mergeSources, reflection } from "../../rpc/reflection.ts";
import { apiRequestBounds } from "../../rpc/request-bounds.ts";
import { decoderWithin } from "../../rpc/request-decoder.ts";
import { RpcServer } from "../../rpc/server.ts";
import type { Routes } from "../routes.ts";
import { DeploymentDescriptors } from "./deployment-descriptors.ts";

const socketName = "gateway.sock";

/**
 * What the gateway itself serves: health and reflection, on a private socket to which it relays as
 * to any replica.
 */
export class OwnServices {
  /** `unix:/path`. */
  readonly address: string;
  readonly #remove: () => Promise<void>;
  readonly #server: RpcServer;
  readonly #health: HealthService;
  readonly #descriptors: DeploymentDescriptors;

  private constructor({ path, remove }: OwnSocket, server: RpcServer, health: HealthService, descriptors: DeploymentDescriptors) {
    this.address = `unix:${path}`;
    this.#remove = remove;
    this.#server = server;
    this.#health = health;
    this.#descriptors = descriptors;
  }

  /**
   * Starts to serve: at `gateway.sock` in `socketFolder`, which exists and is this gateway's alone,
   * or in a new temporary folder. Removes a socket that a dead gateway left there. Fails if a
   * living gateway listens there.
   */
  static async start(options: {
    readonly routes: Routes;
    readonly clock: Clock;
    readonly log: Log;
    readonly socketFolder?: string | undefined;
  }): Promise<OwnServices> {
    const socket = await ownSocket(options.socketFolder);
    const health = new HealthService();
    health.set(InvokeService.typeName, true);
    const descriptors = new DeploymentDescriptors(options);
    const source = mergeSources(descriptorsOf([InvokeService, Health]), descriptors);
    const server = new RpcServer({
      implementations: [health.implementation, ...reflection(source)],
      requestDecoder: decoderWithin(apiRequestBounds),
      log: options.log,
      clock: options.clock,
    });
    const own = new OwnServices(socket, server, health, descriptors);
    try {
      await server.listen(own.address);
    } catch (error) {
      await own.close();
      throw error;
    }
    return own;
  }

  /** Ends the server; resolves when it is gone. */
  async close(): Promise<void> {
    this.#health.close();
    this.#descriptors.close();
    await this.#server.close(0);
    await this.#remove();
  }
}

/** Where the own services listen, and what removes that when they have ended. */
interface OwnSocket {
  readonly path: string;
  remove(): Promise<void>;
}

async function ownSocket(folder: string | undefined): Promise<OwnSocket> {
  // In a folder given, the server removes its socket itself.
  if (folder !== undefined) return { path: join(folder, socketName), remove: async () => {} };
  const made = await mkdtemp(join(tmpdir(), "drover-"));
  return { path: join(made, socketName), remove: () => rm(made, { recursive: true, force: true }) };
}
