import type { Clock } from "../clock/clock.ts";
import { holds } from "../core/replica.ts";
import type { Log } from "../log/log.ts";
import type { Mirror } from "../store/mirror.ts";
import type { ReplicaPort } from "./replica-port.ts";

/** The longest sleep between two runs. Changes of records shorten it. */
const periodMs = 1_000;
/** The shortest sleep, so that a burst of changes causes one run. */
const restMs = 5;

export interface LinkKeeperOptions {
  readonly mirror: Mirror;
  readonly port: Pick<ReplicaPort, "connect">;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Keeps a link to each replica that has a process, by its record. Every controller does this, not
 * only the leader: requests go to all replicas.
 */
export class LinkKeeper {
  readonly #options: LinkKeeperOptions;
  #wake = new AbortController();

  constructor(options: LinkKeeperOptions) {
    this.#options = options;
  }

  /** Ends the sleep: a record or the leader has changed. */
  wake(): void {
    this.#wake.abort("woken");
  }

  /** Hands the replicas of the present records to the port. */
  connect(): void {
    const { mirror, port } = this.#options;
    port.connect(
      [...mirror.replicas().values()].flatMap(({ value: replica }) => {
        const deployment = mirror.deployment(replica.deployment)?.value;
        return deployment !== undefined && holds(replica.state) ? { replica, deployment } : [];
      }),
    );
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    while (!signal.aborted) {
      this.#wake = new AbortController();
      try {
        this.connect();
      } catch (cause) {
        log.error({ err: cause }, `replicas could not be connected; retrying in ${periodMs / 1_000} s`);
      }
      await clock.sleep(periodMs, AbortSignal.any([signal, this.#wake.signal]));
      await clock.sleep(restMs, signal);
    }
  }
}
