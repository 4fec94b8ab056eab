import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InvokeService } from "../../gen/drover/v1/invoke_service_pb.ts";
import { Health } from "../../gen/health/v1/health_pb.ts";
import type { Clock } from "../clock/clock.ts";
import type { Log } from "../log/log.ts";
import { HealthService } from "../rpc/health.ts";
import { descriptorsOf, mergeSources, reflection } from "../rpc/reflection.ts";
import { RpcServer } from "../rpc/server.ts";
import { DeploymentDescriptors } from "./deployment-descriptors.ts";
import type { Routes } from "./endpoints.ts";

/** What the gateway itself serves: health and reflection, on a private socket to which it relays as to any replica. */
export class OwnServices {
  /** `unix:/path`. */
  readonly address: string;
  readonly #folder: string;
  readonly #server: RpcServer;
  readonly #health: HealthService;
  readonly #descriptors: DeploymentDescriptors;

  private constructor(folder: string, address: string, server: RpcServer, health: HealthService, descriptors: DeploymentDescriptors) {
    this.#folder = folder;
    this.address = address;
    this.#server = server;
    this.#health = health;
    this.#descriptors = descriptors;
  }

  /** Starts to serve. */
  static async start(options: { readonly routes: Routes; readonly clock: Clock; readonly log: Log }): Promise<OwnServices> {
    const folder = await mkdtemp(join(tmpdir(), "drover-"));
    const health = new HealthService();
    health.set(InvokeService.typeName, true);
    const descriptors = new DeploymentDescriptors(options);
    const source = mergeSources(descriptorsOf([InvokeService, Health]), descriptors);
    const server = new RpcServer({
      implementations: [health.implementation, ...reflection(source)],
      log: options.log,
      clock: options.clock,
    });
    const address = await server.listen(`unix:${join(folder, "own.sock")}`);
    return new OwnServices(folder, address, server, health, descriptors);
  }

  /** Ends the server; resolves when it is gone. */
  async close(): Promise<void> {
    this.#health.close();
    this.#descriptors.close();
    await this.#server.close(0);
    await rm(this.#folder, { recursive: true, force: true });
  }
}
