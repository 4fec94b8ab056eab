import { nextTick } from "node:process";
import type { Clock } from "../../src/clock/clock.ts";

interface Timer {
  readonly atMs: number;
  readonly run: () => void;
}

/** Resolves once all that could go on without time passing has done so. */
export async function calm(): Promise<void> {
  await undefined;
  // From inside a promise's job, the next tick comes when no job is left.
  await new Promise<void>((resolve) => nextTick(resolve));
}

/** A clock that only `pass` moves: timer by timer in the order they are due, with everything settled in between. */
export class SimulatedClock implements Clock {
  #nowMs: number;
  /** How far somebody has set the wall clock since the beginning. */
  #steppedMs = 0;
  /** By when they are due, then by when they were set. */
  readonly #timers: Timer[] = [];

  constructor(nowMs = 1_700_000_000_000) {
    this.#nowMs = nowMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#nowMs + this.#steppedMs;
  }

  /** Sets the wall clock forward, or back. No time passes. */
  stepWall(ms: number): void {
    this.#steppedMs += ms;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { atMs: this.#nowMs + Math.max(0, ms), run };
    let index = this.#timers.length;
    while (index > 0 && (this.#timers[index - 1]?.atMs ?? 0) > timer.atMs) index--;
    this.#timers.splice(index, 0, timer);
    return () => {
      const found = this.#timers.indexOf(timer);
      if (found >= 0) this.#timers.splice(found, 1);
    };
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const done = () => {
        cancel();
        signal?.removeEventListener("abort", done);
        resolve();
      };
      const cancel = this.after(ms, done);
      signal?.addEventListener("abort", done);
    });
  }

  /** The clock of a process that begins now. */
  beginProcess(): ProcessClock {
    return new ProcessClock(this);
  }

  async pass(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    await calm();
    for (let next = this.#timers[0]; next !== undefined && next.atMs <= untilMs; next = this.#timers[0]) {
      this.#timers.shift();
      this.#nowMs = next.atMs;
      next.run();
      await calm();
    }
    this.#nowMs = untilMs;
  }
}

/** The clock of one process, as the real one: the wall clock at its beginning, moved on without steps. */
export class ProcessClock implements Clock {
  readonly #world: SimulatedClock;
  readonly #aheadMs: number;

  constructor(world: SimulatedClock) {
    this.#world = world;
    this.#aheadMs = world.wallMs() - world.nowMs();
  }

  nowMs(): number {
    return this.fromWorld(this.#world.nowMs());
  }

  /** The time of this clock at a time of the world. */
  fromWorld(worldMs: number): number {
    return worldMs + this.#aheadMs;
  }

  wallMs(): number {
    return this.#world.wallMs();
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return this.#world.sleep(ms, signal);
  }

  after(ms: number, run: () => void): () => void {
    return this.#world.after(ms, run);
  }
}
