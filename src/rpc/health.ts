import { Health, HealthCheckResponse_ServingStatus as Status } from "../../gen/health/v1/health_pb.ts";
import { refusal } from "../core/errors.ts";
import { type Implementation, implement } from "./service.ts";

/**
 * `grpc.health.v1.Health` of one server. The service "" is the whole server, which serves until
 * `set` or `close`.
 */
export class HealthService {
  readonly implementation: Implementation;
  readonly #serving = new Map<string, boolean>([["", true]]);
  readonly #watchers = new Set<() => void>();
  #closed = false;

  constructor() {
    this.implementation = implement(Health, {
      check: ({ service }) => {
        const status = this.#statusOf(service);
        if (status === Status.SERVICE_UNKNOWN) throw refusal("SERVICE_NOT_FOUND", `this server does not serve ${service}`);
        return { status };
      },
      list: () => ({ statuses: Object.fromEntries([...this.#serving.keys()].map((name) => [name, { status: this.#statusOf(name) }])) }),
      watch: ({ service }, { signal }) => this.#watch(service, signal),
    });
  }

  /** Sets whether a service serves; "" is the whole server. */
  set(service: string, serving: boolean): void {
    this.#serving.set(service, serving);
    this.#wakeAll();
  }

  /** From now on nothing serves, and watches end after they have sent that. */
  close(): void {
    this.#closed = true;
    this.#wakeAll();
  }

  #statusOf(service: string): Status {
    const serving = this.#serving.get(service);
    if (serving === undefined) return Status.SERVICE_UNKNOWN;
    return serving && !this.#closed ? Status.SERVING : Status.NOT_SERVING;
  }

  async *#watch(service: string, signal: AbortSignal) {
    let sent: Status | undefined;
    while (!signal.aborted) {
      const status = this.#statusOf(service);
      if (status !== sent) yield { status };
      sent = status;
      // The status may have changed while the caller was slow to read.
      if (this.#statusOf(service) !== sent) continue;
      if (this.#closed) return;
      await this.#changed(signal);
    }
  }

  #changed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#watchers.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      this.#watchers.add(wake);
      signal.addEventListener("abort", wake);
    });
  }

  #wakeAll(): void {
    for (const wake of [...this.#watchers]) wake();
  }
}
