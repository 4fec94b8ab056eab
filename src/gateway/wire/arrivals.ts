/**
 * How many calls of one connection are begun before other work gets its turn. So a connection that
 * opens thousands at once does not hold up the others.
 */
export const beginsPerTurn = 32;

/** Begins calls in the order they came, taking turns among their connections. */
export class Arrivals<Connection> {
  readonly #waiting = new Map<Connection, (() => void)[]>();
  #due = false;

  /**
   * `begin` is called in a later turn of the event loop, and does not throw. Returns how many calls
   * of the connection wait for that.
   */
  add(connection: Connection, begin: () => void): number {
    const waiting = this.#waiting.get(connection) ?? [];
    if (waiting.push(begin) === 1) this.#waiting.set(connection, waiting);
    this.#schedule();
    return waiting.length;
  }

  /** Forgets the calls of a connection that have not begun. */
  drop(connection: Connection): void {
    this.#waiting.delete(connection);
  }

  #schedule(): void {
    if (this.#due) return;
    this.#due = true;
    setImmediate(() => {
      this.#due = false;
      for (const [connection, waiting] of [...this.#waiting]) {
        if (waiting.length <= beginsPerTurn) this.#waiting.delete(connection);
        for (const begin of waiting.splice(0, beginsPerTurn)) begin();
      }
      if (this.#waiting.size > 0) this.#schedule();
    });
  }
}
