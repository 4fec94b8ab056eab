import type { Clock } from "../clock/clock.ts";
import { StatusError } from "../core/errors.ts";

/** How many results of one request may wait to be read, before its batch makes no more. */
export const unreadMax = 100;
/** How long the other requests of a batch of streams wait in all for a reader that is slower than theirs. */
export const slowReaderMs = 5_000;

/** What a request of a batch of streams gets: its part of each step. Read by one reader. */
export class BatchStream<Result> implements AsyncIterableIterator<Result> {
  readonly #results: Result[] = [];
  readonly #onLeft: () => void;
  #state: "open" | "ended" | "left" = "open";
  #error: { readonly cause: unknown } | undefined;
  #wakeReader = () => {};
  #wakeWriter = () => {};
  /** How long other requests of the batch have waited for the reader. */
  heldUpMs = 0;

  /** `onLeft` is called once if the reader leaves before the end. */
  constructor(onLeft: () => void) {
    this.#onLeft = onLeft;
  }

  /** Whether no more results are wanted, or can come. */
  get isOver(): boolean {
    return this.#state !== "open";
  }

  /** Whether the reader does not keep up. */
  get isFull(): boolean {
    return this.#state === "open" && this.#results.length >= unreadMax;
  }

  push(result: Result): void {
    if (this.#state !== "open") return;
    this.#results.push(result);
    this.#wakeReader();
  }

  /** The last event, after which the reader gets what is left and then the error, if any. */
  end(error?: { readonly cause: unknown }): void {
    if (this.#state !== "open") return;
    this.#state = "ended";
    this.#error = error;
    this.#wakeReader();
    this.#wakeWriter();
  }

  /** Resolves when the reader has read enough to get more, or is gone. */
  async whenRead(): Promise<void> {
    while (this.isFull) {
      await new Promise<void>((resolve) => {
        this.#wakeWriter = resolve;
      });
    }
  }

  async next(): Promise<IteratorResult<Result>> {
    while (this.#results.length === 0) {
      if (this.#state !== "open") {
        const error = this.#error;
        this.#error = undefined;
        if (error !== undefined) throw error.cause;
        return { done: true, value: undefined };
      }
      await new Promise<void>((resolve) => {
        this.#wakeReader = resolve;
      });
    }
    const value = this.#results.shift() as Result;
    this.#wakeWriter();
    return { done: false, value };
  }

  async return(): Promise<IteratorResult<Result>> {
    this.#results.length = 0;
    if (this.#state === "open") {
      this.#state = "left";
      this.#onLeft();
    }
    this.#error = undefined;
    this.#wakeReader();
    this.#wakeWriter();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

/**
 * Resolves when each reader keeps up. One that is slower than the others is handed to `fail` once they
 * have waited `slowReaderMs` for it in all.
 */
export async function readersOf<Stream extends BatchStream<unknown>>(
  streams: readonly Stream[],
  clock: Clock,
  fail: (stream: Stream, cause: StatusError) => void,
): Promise<void> {
  for (;;) {
    const open = streams.filter(({ isOver }) => !isOver);
    const full = open.filter(({ isFull }) => isFull);
    if (full.length === 0) return;
    if (full.length === open.length) {
      await Promise.race(full.map((stream) => stream.whenRead())); // nobody is held up
      continue;
    }
    const sinceMs = clock.nowMs();
    const leftMs = Math.max(0, slowReaderMs - Math.max(...full.map(({ heldUpMs }) => heldUpMs)));
    const read = new AbortController();
    const all = Promise.all(full.map((stream) => stream.whenRead())).then(() => read.abort());
    await Promise.race([all, clock.sleep(leftMs, read.signal)]);
    read.abort();
    for (const stream of full) {
      stream.heldUpMs += clock.nowMs() - sinceMs;
      if (!stream.isFull || stream.heldUpMs < slowReaderMs) continue;
      const text = `the results are read too slowly: the other requests of the batch have waited ${slowReaderMs / 1_000} s`;
      fail(stream, new StatusError("RESOURCE_EXHAUSTED", text));
    }
  }
}
