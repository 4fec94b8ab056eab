import type { Clock } from "../clock/clock.ts";
import type { Log } from "../log/log.ts";
import { Troubles } from "../log/troubles.ts";
import type { Store, StoreContent } from "../store/store.ts";

/** How long a leader keeps the lease without renewing it. */
export const leaseMs = 5_000;
/** How often the lease is renewed. */
const renewMs = 1_500;
/**
 * How long a controller waits before it fills a store that came back empty. The controller that
 * leads knows every write, so it does not wait. Another one waits until that one would have done
 * it: the last leader first, whose lease ran out while the store was away, and then the followers.
 */
const fillAfterMs = { leads: 0, led: leaseMs, follows: 2 * leaseMs } as const;
/** How long a controller stays listed after its last announcement. */
const announcedMs = 10_000;

export interface LeaseKeeperOptions {
  readonly store: Store;
  readonly id: string;
  /** Waits until this controller knows all that is in the store now. */
  readonly catchUp: () => Promise<void>;
  /** All that this controller knows. A store that came back empty is filled with it. */
  readonly content: () => Pick<StoreContent, "position" | "entries">;
  /** Whether this controller may lead now. Default: always. */
  readonly mayLead?: () => boolean;
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
  readonly #troubles: Troubles;
  #held: { readonly epoch: number; readonly untilMs: number } | undefined;
  /** The highest epoch that this controller knows. */
  #highestEpoch = 0;
  /** When this controller may fill the store, which is empty. Undefined: the store is not empty. */
  #fillsAtMs: number | undefined;

  constructor(options: LeaseKeeperOptions) {
    this.#options = options;
    this.#startedAtMs = options.clock.nowMs();
    this.#troubles = new Troubles(options.log);
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
      const waitMs = await this.#renew()
        .catch((cause: unknown) => this.#afterFailure(cause))
        .catch((cause: unknown) => this.#retry(cause));
      await clock.sleep(waitMs, signal);
    }
    this.#held = undefined;
    await store.releaseLease(id).catch(() => {});
  }

  /** Fills the store if it is empty and it is this controller's turn. Returns the time until the next try. */
  async #afterFailure(cause: unknown): Promise<number> {
    const { store, id, content, clock, log } = this.#options;
    if (store.trouble?.kind !== "empty") return this.#retry(cause);
    const nowMs = clock.nowMs();
    const standing = this.epoch !== undefined ? "leads" : this.#held !== undefined ? "led" : "follows";
    this.#fillsAtMs ??= nowMs + fillAfterMs[standing];
    if (nowMs < this.#fillsAtMs) return Math.min(renewMs, this.#fillsAtMs - nowMs);
    const whole = { ...content(), requests: store.answers(), epoch: this.#highestEpoch };
    const result = await store.fill(whole, { holder: id, ttlMs: leaseMs });
    if (result.kind === "filled")
      log.warn({ position: whole.position, epoch: result.epoch }, "the store came back empty; wrote back the whole state");
    return 0;
  }

  #retry(cause: unknown): number {
    this.#troubles.failed("the lease", cause, {}, `the lease could not be renewed; retrying in ${renewMs / 1_000} s`);
    return renewMs;
  }

  /** One try. Returns the time until the next one. */
  async #renew(): Promise<number> {
    const { store, id, catchUp, clock, log } = this.#options;
    const askedAtMs = clock.nowMs();
    if (this.#options.mayLead?.() === false) {
      this.#held = undefined;
      await store.releaseLease(id);
      return renewMs;
    }
    await store.announce({ id, startedAtMs: this.#startedAtMs }, announcedMs);
    const answer = await store.acquireLease(id, leaseMs);
    this.#fillsAtMs = undefined;
    this.#troubles.over("the lease", {}, "the store answers about the lease again");
    if (!answer.held) {
      this.#highestEpoch = Math.max(this.#highestEpoch, answer.epoch);
      if (this.#held !== undefined) log.warn({ holder: answer.holder }, "lost the lease; following the new leader");
      this.#held = undefined;
      return Math.min(renewMs, answer.remainingMs + 1);
    }
    const isNew = this.#held?.epoch !== answer.epoch;
    if (isNew) {
      this.#held = undefined;
      await catchUp();
    }
    this.#highestEpoch = Math.max(this.#highestEpoch, answer.epoch);
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
