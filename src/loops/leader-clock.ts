import type { Clock } from "../clock/clock.ts";
import { newestTimeMs } from "../core/newest-time.ts";
import type { Mirror } from "../store/mirror.ts";

/** It jumps by whole seconds, so that what runs each second keeps its moment within it. */
const secondMs = 1_000;

/**
 * The clock of a leader. Invariant: its time never steps, and is never before a time that an
 * earlier leader has written to a record. So what happens later also has the later time, although
 * the machine's clock may have been set back between two leaders, or between two runs of one.
 */
export class LeaderClock implements Clock {
  readonly #clock: Clock;
  readonly #mirror: Mirror;
  #aheadMs = 0;

  constructor(clock: Clock, mirror: Mirror) {
    this.#clock = clock;
    this.#mirror = mirror;
  }

  /**
   * Must be called when this controller becomes the leader, with all records read. The only moment
   * at which the time may jump: no decision was made before it.
   */
  lead(): void {
    const replicas = [...this.#mirror.replicas().values()].map(({ value }) => value);
    const progresses = [...this.#mirror.deployments().keys()].flatMap((name) => this.#mirror.progress(name)?.value ?? []);
    const behindMs = newestTimeMs(replicas, progresses) - this.#clock.nowMs();
    this.#aheadMs = Math.max(this.#aheadMs, Math.ceil(behindMs / secondMs) * secondMs);
  }

  nowMs(): number {
    return this.fromProcess(this.#clock.nowMs());
  }

  /** The time of this clock at a time of the process's own clock. */
  fromProcess(processMs: number): number {
    return processMs + this.#aheadMs;
  }

  wallMs(): number {
    return this.#clock.wallMs();
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return this.#clock.sleep(ms, signal);
  }

  after(ms: number, run: () => void): () => void {
    return this.#clock.after(ms, run);
  }
}
