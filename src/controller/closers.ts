import type { Log } from "../log/log.ts";

/** A part that was opened and must be closed. */
export interface Closable {
  close(): Promise<void>;
}

/** What must be closed. The last one opened is closed first. */
export class Closers {
  readonly #log: Log;
  readonly #closers: (() => Promise<void> | void)[] = [];

  constructor(log: Log) {
    this.#log = log;
  }

  add(close: () => Promise<void> | void): void {
    this.#closers.push(close);
  }

  /** Closes everything. A failure is logged, and does not stop the rest. */
  async close(): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) {
      await Promise.resolve()
        .then(close)
        .catch((cause: unknown) => this.#log.warn({ cause: String(cause) }, "closing a part failed; closing the rest"));
    }
  }
}

/**
 * Opens parts one after the other. If one cannot be opened, the earlier ones are closed, and the
 * call fails with the cause.
 */
export async function openAll<T extends object>(log: Log, open: (closers: Closers) => Promise<T> | T): Promise<T & Closable> {
  const closers = new Closers(log);
  try {
    const parts = await open(closers);
    return { ...parts, close: () => closers.close() };
  } catch (cause) {
    await closers.close();
    throw cause;
  }
}
