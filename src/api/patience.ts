import type { Clock } from "../clock/clock.ts";

/** The least that a peer must say or take in {@link quietMs}, in bytes. */
export const leastBytes = 64 * 1024;
/** How long a peer may be waited for until it has said or taken {@link leastBytes}. */
export const quietMs = 60_000;

/**
 * Items of a stream, while their peer goes on. Only the time counts in which the peer is waited
 * for. `weigh` gives what an item counts, in bytes; `onQuiet` is called once the peer was too slow.
 */
export async function* whileHeard<T>(
  items: AsyncIterable<T>,
  weigh: (item: T) => number,
  clock: Clock,
  onQuiet: () => void,
): AsyncGenerator<T, void> {
  const patience = new Patience(clock, onQuiet);
  const iterator = items[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await patience.during(() => iterator.next());
      if (next.done) return;
      patience.heard(weigh(next.value));
      yield next.value;
    }
  } finally {
    await iterator.return?.();
  }
}

/** As {@link whileHeard}, for items that the peer takes: it is waited for while it has one. */
export async function* whileTaken<T>(
  items: AsyncIterable<T>,
  weigh: (item: T) => number,
  clock: Clock,
  onQuiet: () => void,
): AsyncGenerator<T, void> {
  const patience = new Patience(clock, onQuiet);
  for await (const item of items) {
    const stop = patience.begin();
    try {
      yield item;
    } finally {
      stop();
    }
    patience.heard(weigh(item));
  }
}

/** Counts the time for which a peer is waited for since it last did enough. */
class Patience {
  readonly #clock: Clock;
  readonly #onQuiet: () => void;
  #leftMs = quietMs;
  #missingBytes = leastBytes;

  constructor(clock: Clock, onQuiet: () => void) {
    this.#clock = clock;
    this.#onQuiet = onQuiet;
  }

  async during<T>(wait: () => Promise<T>): Promise<T> {
    const stop = this.begin();
    try {
      return await wait();
    } finally {
      stop();
    }
  }

  /** Begins to wait for the peer; returns the function that ends the wait. */
  begin(): () => void {
    const sinceMs = this.#clock.nowMs();
    const cancel = this.#clock.after(Math.max(0, this.#leftMs), this.#onQuiet);
    return () => {
      cancel();
      this.#leftMs -= this.#clock.nowMs() - sinceMs;
    };
  }

  heard(bytes: number): void {
    this.#missingBytes -= bytes;
    if (this.#missingBytes > 0) return;
    this.#missingBytes = leastBytes;
    this.#leftMs = quietMs;
  }
}
