/**
 * How many readers are woken in one turn of the event loop. Each of them writes at most 16 messages
 * before it waits for its stream.
 */
const readersPerTurn = 8;

/**
 * Wakes the readers of many queues in turns, so that an event for a thousand readers does not hold
 * up the calls, the loops and the lease.
 */
export class ReaderTurns {
  readonly #waiting = new Set<() => void>();
  #isRunning = false;

  /** Calls the function in one of the next turns. A function that waits already is called once. */
  readonly take = (wake: () => void): void => {
    this.#waiting.add(wake);
    if (this.#isRunning) return;
    this.#isRunning = true;
    setImmediate(() => this.#run());
  };

  #run(): void {
    let woken = 0;
    for (const wake of this.#waiting) {
      this.#waiting.delete(wake);
      wake();
      woken += 1;
      if (woken === readersPerTurn) break;
    }
    this.#isRunning = this.#waiting.size > 0;
    if (this.#isRunning) setImmediate(() => this.#run());
  }
}
