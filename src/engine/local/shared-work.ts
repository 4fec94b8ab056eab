interface Work {
  readonly done: Promise<void>;
  readonly abort: AbortController;
  waiting: number;
}

/**
 * Work that several callers need at the same time is done once, and stopped when none waits for it.
 */
export class SharedWork {
  readonly #works = new Map<string, Work>();

  has(key: string): boolean {
    return this.#works.has(key);
  }

  /** Waits for the work `key`, which begins now unless it is going on. Fails as it does. */
  async join(key: string, begin: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const other = this.#works.get(key);
    // Work that is being stopped cannot be joined: the caller begins it after that.
    if (other?.abort.signal.aborted) await other.done.catch(() => {});
    else await wait(other ?? this.#begin(key, begin), signal);
  }

  /** Stops all work. Resolves when it is over. */
  async close(): Promise<void> {
    const works = [...this.#works.values()];
    for (const { abort } of works) abort.abort(new Error("closed"));
    await Promise.allSettled(works.map(({ done }) => done));
  }

  #begin(key: string, begin: (signal: AbortSignal) => Promise<void>): Work {
    const abort = new AbortController();
    const work = { done: begin(abort.signal).finally(() => this.#works.delete(key)), abort, waiting: 0 };
    this.#works.set(key, work);
    return work;
  }
}

async function wait(work: Work, signal: AbortSignal): Promise<void> {
  work.waiting += 1;
  const leave = () => {
    work.waiting -= 1;
    if (work.waiting === 0) work.abort.abort(new Error("no caller waits for it any more"));
  };
  signal.addEventListener("abort", leave, { once: true });
  try {
    await work.done;
  } finally {
    signal.removeEventListener("abort", leave);
  }
}
