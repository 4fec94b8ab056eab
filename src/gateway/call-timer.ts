import type { Clock } from "../clock/clock.ts";

/** The longest time a timer can be set for. A deadline beyond it is none. */
const timerMaxMs = 2 ** 31 - 1;

/** The one timer of a call. */
export class CallTimer {
  readonly #clock: Clock;
  readonly #expired: () => void;
  #stop: (() => void) | undefined;

  constructor(clock: Clock, expired: () => void) {
    this.#clock = clock;
    this.#expired = expired;
  }

  /** Sets it to this time, in place of the former. A time that has passed expires at once. */
  set(atMs: number): void {
    this.stop();
    const ms = atMs - this.#clock.nowMs();
    if (ms <= 0) this.#expired();
    else if (ms <= timerMaxMs) this.#stop = this.#clock.after(ms, this.#expired);
  }

  stop(): void {
    this.#stop?.();
    this.#stop = undefined;
  }
}
