import { refusal } from "../core/errors.ts";

/** Uploads that are received at the same time. */
const inWorkMax = 8;
/** Uploads that wait. Each holds what its caller may send without being read: about 1 MiB. */
const waitingMax = 192;
const retryAfterMs = 5_000;

/** The turns of uploads: a few are in work, and the others wait in their order, unread. */
export class UploadTurns {
  readonly #waiting = new Set<() => void>();
  #inWork = 0;

  /**
   * Waits for a turn, and returns the function that ends it. Fails with QUEUE_FULL where too many
   * wait, and with the reason of `signal` once it aborts.
   */
  async take(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    if (this.#inWork < inWorkMax) this.#inWork += 1;
    else await this.#wait(signal);
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.#pass();
    };
  }

  #wait(signal: AbortSignal): Promise<void> {
    if (this.#waiting.size >= waitingMax) {
      const text = `${inWorkMax} uploads are in work, and ${waitingMax} wait already: try again`;
      throw refusal("QUEUE_FULL", text, { retryAfterMs });
    }
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting.delete(begin);
        reject(signal.reason);
      };
      const begin = () => {
        signal.removeEventListener("abort", leave);
        resolve();
      };
      signal.addEventListener("abort", leave, { once: true });
      this.#waiting.add(begin);
    });
  }

  /** Gives a turn that is over to the upload that has waited longest. */
  #pass(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#inWork -= 1;
      return;
    }
    this.#waiting.delete(next);
    next();
  }
}
