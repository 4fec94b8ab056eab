import type { Clock } from "../clock/clock.ts";
import type { Log } from "../log/log.ts";
import type { Store } from "../store/store.ts";

/** How long a leader keeps the lease without renewing it. */
export const leaseMs = 5_000;
/** How often the lease is renewed. */
const renewMs = 1_500;
/** How long a controller stays listed after its last announcement. */
const announcedMs = 10_000;

export interface LeaseKeeperOptions {
  readonly store: Store;
  readonly id: string;
  /** Waits until this controller knows all that is in the store now. */
  readonly catchUp: () => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Takes the lease when it is free, and renews it. Invariant: a controller that acts under an epoch
 * has read everything that was written before it. With older state, replicas would go back to an
 * old config.
 */
export class LeaseKeeper {
  readonly #options: LeaseKeeperOptions;
  readonly #startedAtMs: number;
  readonly #listeners = new Set<() => void>();
  #held: { readonly epoch: number; readonly untilMs: number } | undefined;

  constructor(options: LeaseKeeperOptions) {
    this.#options = options;
    this.#startedAtMs = options.clock.nowMs();
  }

  /** The epoch under which this controller may act now; undefined: it may not. */
  get epoch(): number | undefined {
    const held = this.#held;
    return held !== undefined && this.#options.clock.nowMs() < held.untilMs ? held.epoch : undefined;
  }

  /** Calls `listener` each time this controller becomes the leader. */
  onLead(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** Runs until the signal aborts, then releases the lease. */
  async run(signal: AbortSignal): Promise<void> {
    const { store, id, clock } = this.#options;
    while (!signal.aborted) {
      const waitMs = await this.#renew().catch((cause: unknown) => {
        this.#options.log.warn({ cause: String(cause) }, `the lease could not be renewed; retrying in ${renewMs / 1_000} s`);
        return renewMs;
      });
      await clock.sleep(waitMs, signal);
    }
    this.#held = undefined;
    await store.releaseLease(id).catch(() => {});
  }

  /** One try. Returns the time until the next one. */
  async #renew(): Promise<number> {
    const { store, id, catchUp, clock, log } = this.#options;
    const askedAtMs = clock.nowMs();
    await store.announce({ id, startedAtMs: this.#startedAtMs }, announcedMs);
    const answer = await store.acquireLease(id, leaseMs);
    if (!answer.held) {
      if (this.#held !== undefined) log.warn({ holder: answer.holder }, "lost the lease; following the new leader");
      this.#held = undefined;
      return Math.min(renewMs, answer.remainingMs + 1);
    }
    const isNew = this.#held?.epoch !== answer.epoch;
    if (isNew) {
      this.#held = undefined;
      await catchUp();
    }
    // Counted from before the call, so that this controller stops acting before the store gives the
    // lease to another one.
    this.#held = { epoch: answer.epoch, untilMs: askedAtMs + leaseMs };
    if (isNew) {
      log.info({ epoch: answer.epoch }, "took the lead");
      for (const listener of this.#listeners) listener();
    }
    return renewMs;
  }
}
