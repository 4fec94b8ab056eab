import type { Clock } from "../clock/clock.ts";
import { byBytes } from "./memory-forms.ts";
import { type ClaimResult, type ControllerInfo, type EngineClaim, type LeaseAnswer, ownerOf } from "./store.ts";

/** The lease, and the highest epoch that was ever given. */
interface LeaseState {
  readonly lease: { readonly holder: string; readonly epoch: number; readonly expiresAtMs: number } | undefined;
  readonly lastEpoch: number;
}

/** Which controllers there are, in the store in memory: the leader, the owner of the engine, and all that announced themselves. */
export class MemoryControllers {
  readonly #clock: Clock;
  #leading: LeaseState = { lease: undefined, lastEpoch: 0 };
  #claim: { readonly claim: EngineClaim; readonly expiresAtMs: number } | undefined;
  readonly #announced = new Map<string, ControllerInfo & { readonly expiresAtMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get lastEpoch(): number {
    return this.#leading.lastEpoch;
  }

  /** The lease, if it is held now. */
  get lease() {
    const { lease } = this.#leading;
    return lease && lease.expiresAtMs > this.#clock.nowMs() ? lease : undefined;
  }

  /** Returns a function that restores the present lease. */
  snapshot(): () => void {
    const leading = this.#leading;
    return () => {
      this.#leading = leading;
    };
  }

  /** Loses the lease, the epochs and the announcements. */
  empty(): void {
    this.#leading = { lease: undefined, lastEpoch: 0 };
    this.#announced.clear();
  }

  /** Goes on from this epoch; with a new lease, under a higher one. Returns the epoch. */
  fill(epoch: number, lease: { readonly holder: string; readonly ttlMs: number } | undefined): number {
    this.#leading = { lease: undefined, lastEpoch: epoch };
    return lease === undefined ? epoch : this.#lead(lease.holder, lease.ttlMs);
  }

  acquireLease(holder: string, ttlMs: number): LeaseAnswer {
    const nowMs = this.#clock.nowMs();
    const held = this.lease;
    if (held && held.holder !== holder)
      return { held: false, holder: held.holder, epoch: held.epoch, remainingMs: held.expiresAtMs - nowMs };
    if (held === undefined) return { held: true, epoch: this.#lead(holder, ttlMs) };
    this.#leading = { ...this.#leading, lease: { ...held, expiresAtMs: nowMs + ttlMs } };
    return { held: true, epoch: held.epoch };
  }

  #lead(holder: string, ttlMs: number): number {
    const nowMs = this.#clock.nowMs();
    const epoch = Math.max(this.lastEpoch + 1, nowMs);
    this.#leading = { lease: { holder, epoch, expiresAtMs: nowMs + ttlMs }, lastEpoch: epoch };
    return epoch;
  }

  releaseLease(holder: string): void {
    if (this.lease?.holder === holder) this.#leading = { ...this.#leading, lease: undefined };
  }

  claim(claim: EngineClaim, ttlMs: number): ClaimResult {
    const nowMs = this.#clock.nowMs();
    const held = this.#claim;
    if (held && held.expiresAtMs > nowMs && ownerOf(held.claim) !== ownerOf(claim))
      return { kind: "taken", by: held.claim, remainingMs: held.expiresAtMs - nowMs };
    this.#claim = { claim, expiresAtMs: nowMs + ttlMs };
    return { kind: "claimed" };
  }

  unclaim(claim: EngineClaim): void {
    if (this.#claim && ownerOf(this.#claim.claim) === ownerOf(claim)) this.#claim = undefined;
  }

  announce(controller: ControllerInfo, ttlMs: number): void {
    this.#announced.set(controller.id, { ...controller, expiresAtMs: this.#clock.nowMs() + ttlMs });
  }

  list() {
    const nowMs = this.#clock.nowMs();
    for (const [id, { expiresAtMs }] of this.#announced) if (expiresAtMs <= nowMs) this.#announced.delete(id);
    const controllers = [...this.#announced.values()].map(({ id, startedAtMs }) => ({ id, startedAtMs }));
    const { lease } = this;
    return { controllers: controllers.sort((a, b) => byBytes(a.id, b.id)), leader: lease && { id: lease.holder, epoch: lease.epoch } };
  }
}
