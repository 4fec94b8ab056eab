/** The most events that wait for one reader. */
export const behindMax = 5_000;
/** The most bytes of events that wait for one reader. One event may be larger. */
export const behindBytesMax = 16 * 2 ** 20;

export interface EventQueueOptions<E> {
  readonly bytesOf: (event: E) => number;
  /**
   * Called when the reader falls too far behind, at this event. Then the events are dropped, and the
   * reader ends: nothing waits for a slow reader.
   */
  readonly tooSlow: (event: E) => void;
  /** Calls the function soon, when it is the reader's turn. */
  readonly inTurn: (wake: () => void) => void;
}

/** The events of a stream that wait for one reader, in order. */
export class EventQueue<E> {
  readonly #options: EventQueueOptions<E>;
  #queue: E[] = [];
  #bytes = 0;
  #resume = () => {};
  readonly #wake = () => this.#resume();
  #state: "open" | "finished" | "ended" = "open";
  #error: Error | undefined;

  constructor(options: EventQueueOptions<E>) {
    this.#options = options;
  }

  push(event: E): void {
    if (this.#state !== "open") return;
    const { bytesOf, tooSlow, inTurn } = this.#options;
    const bytes = this.#bytes + bytesOf(event);
    if (this.#queue.length > 0 && (this.#queue.length >= behindMax || bytes > behindBytesMax)) {
      this.end();
      tooSlow(event);
      return;
    }
    this.#queue.push(event);
    this.#bytes = bytes;
    inTurn(this.#wake);
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
    this.#queue = [];
    this.#bytes = 0;
    this.#wake();
  }

  /** The events, until the queue is finished or ended. May be called once. */
  async *events(): AsyncGenerator<E> {
    for (;;) {
      for (let event = this.#queue.shift(); event !== undefined; event = this.#queue.shift()) {
        this.#bytes -= this.#options.bytesOf(event);
        yield event;
      }
      if (this.#state !== "open") break;
      await new Promise<void>((resolve) => {
        this.#resume = resolve;
      });
    }
    if (this.#error !== undefined) throw this.#error;
  }
}
