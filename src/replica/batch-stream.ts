/** How many results of one request may wait to be read, before its batch makes no more. */
export const unreadMax = 100;

/** What a request of a batch of streams gets: its part of each step. Read by one reader. */
export class BatchStream<Result> implements AsyncIterableIterator<Result> {
  readonly #results: Result[] = [];
  readonly #onLeft: () => void;
  #state: "open" | "ended" | "left" = "open";
  #error: { readonly cause: unknown } | undefined;
  #wakeReader = () => {};
  #wakeWriter = () => {};

  /** `onLeft` is called once if the reader leaves before the end. */
  constructor(onLeft: () => void) {
    this.#onLeft = onLeft;
  }

  /** Whether no more results are wanted, or can come. */
  get isOver(): boolean {
    return this.#state !== "open";
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
  }

  /** Resolves when the reader has read enough to get more, or is gone. */
  async whenRead(): Promise<void> {
    while (this.#state === "open" && this.#results.length >= unreadMax) {
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
