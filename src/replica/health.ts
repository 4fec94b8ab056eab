import { Health } from "../../gen/health/v1/health_pb.ts";
import { HealthService } from "../rpc/health.ts";
import { type Implementation, implement, type ServiceHandlers } from "../rpc/service.ts";
import type { ReplicaLog } from "./stderr-log.ts";

/**
 * `grpc.health.v1.Health` of a replica. Each `Check` calls the program's hook; concurrent calls
 * share one answer.
 */
export class ReplicaHealth {
  readonly #service = new HealthService();
  readonly #checkHealth: (() => unknown) | undefined;
  readonly #services: readonly string[];
  readonly #log: ReplicaLog;
  #running: Promise<void> | undefined;
  readonly implementation: Implementation;

  constructor(checkHealth: (() => unknown) | undefined, services: readonly string[], log: ReplicaLog) {
    this.#checkHealth = checkHealth;
    this.#services = ["", ...services];
    this.#log = log;
    this.#set(true);
    const handlers = this.#service.implementation.handlers as unknown as ServiceHandlers<typeof Health>;
    this.implementation = implement(Health, {
      ...handlers,
      check: async (request, context) => {
        await this.#refresh();
        return handlers.check(request, context);
      },
    });
  }

  /** Reports from now on that nothing serves, and ends all watches. */
  close(): void {
    this.#service.close();
  }

  #refresh(): Promise<void> {
    this.#running ??= this.#ask().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #ask(): Promise<void> {
    if (!this.#checkHealth) return;
    try {
      this.#set((await this.#checkHealth()) !== false);
    } catch (err) {
      this.#log.warn({ err }, "checkHealth failed");
      this.#set(false);
    }
  }

  #set(serving: boolean): void {
    for (const service of this.#services) this.#service.set(service, serving);
  }
}
