/** The most events that wait for one reader; with more, its stream ends with an error. */
const behindMax = 5_000;

/** The events of a stream that wait for one reader, in order. */
export class EventQueue<E> {
  readonly #tooSlow: (event: E) => Error;
  #queue: E[] = [];
  #wake = () => {};
  #state: "open" | "finished" | "ended" = "open";
  #error: Error | undefined;

  /** `tooSlow` makes the error that the reader gets when it falls too far behind, at this event. */
  constructor(tooSlow: (event: E) => Error) {
    this.#tooSlow = tooSlow;
  }

  push(event: E): void {
    if (this.#state !== "open") return;
    if (this.#queue.length < behindMax) this.#queue.push(event);
    else this.end(this.#tooSlow(event));
    this.#wake();
  }

  /** No event comes any more: the reader ends after those in the queue. */
  finish(): void {
    if (this.#state === "open") this.#state = "finished";
    this.#wake();
  }

  /** Ends the reader at once, with the error if one is given. */
  end(error?: Error): void {
    this.#state = "ended";
    this.#error ??= error;
    this.#wake();
  }

  /** The events, until the queue is finished or ended. May be called once. */
  async *events(): AsyncGenerator<E> {
    for (;;) {
      const ready = this.#queue;
      this.#queue = [];
      for (const event of ready) {
        if (this.#state === "ended") break;
        yield event;
      }
      if (this.#state === "ended" || (this.#state === "finished" && this.#queue.length === 0)) break;
      if (this.#queue.length === 0) await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    if (this.#error !== undefined) throw this.#error;
  }
}
