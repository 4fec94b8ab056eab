/** Events that a reader may be behind before it is told to start again. */
const behindMax = 5_000;

/** What comes for one reader of a stream of events, in order, until there is no more of it. */
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

  /** No more comes: the reader ends after what is there. */
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

  /** What comes, until the queue is finished or ended; to be read once. */
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
