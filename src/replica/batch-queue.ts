import type { Clock } from "../clock/clock.ts";

/** A request that waits for its batch. */
export interface AwaitsBatch {
  /** A batch has requests for one model only. */
  readonly model: string | undefined;
  readonly sinceMs: number;
  /** When its batch begins at the latest, if there is room for one more. */
  readonly dueMs: number;
}

export interface BatchOptions {
  readonly maxBatchSize: number;
  readonly batchWaitMs: number;
  readonly maxConcurrentBatches: number;
}

/**
 * Collects requests to batches. A batch begins when it is full, or when a request in it is due, and
 * when fewer than `maxConcurrentBatches` are in work. Requests are taken in the order in which they
 * came.
 */
export class BatchQueue<Item extends AwaitsBatch> {
  options: BatchOptions;
  readonly #clock: Clock;
  readonly #work: (batch: readonly Item[]) => Promise<void>;
  readonly #waiting = new Set<Item>();
  #inWork = 0;
  #timer = new AbortController();

  /** `work` must not reject. */
  constructor(options: BatchOptions, clock: Clock, work: (batch: readonly Item[]) => Promise<void>) {
    this.options = options;
    this.#clock = clock;
    this.#work = work;
  }

  add(item: Item): void {
    this.#waiting.add(item);
    this.look();
  }

  /** The request waits no longer. False: it is in a batch already. */
  remove(item: Item): boolean {
    return this.#waiting.delete(item);
  }

  /** Begins the batches that can begin now. Must be called when the options have changed. */
  look(): void {
    this.#timer.abort();
    while (this.#inWork < this.options.maxConcurrentBatches) {
      const batch = this.#nextBatch();
      if (batch === undefined) {
        this.#lookAgainWhenDue();
        return;
      }
      for (const item of batch) this.#waiting.delete(item);
      this.#inWork++;
      void this.#work(batch).finally(() => {
        this.#inWork--;
        this.look();
      });
    }
  }

  /** The first batch that is full or due. Undefined: none is. */
  #nextBatch(): readonly Item[] | undefined {
    const { maxBatchSize } = this.options;
    const nowMs = this.#clock.nowMs();
    const groups = new Map<string | undefined, Item[]>();
    for (const item of this.#waiting) {
      const group = groups.get(item.model) ?? [];
      if (group.length < maxBatchSize) group.push(item);
      if (group.length === 1) groups.set(item.model, group);
    }
    return [...groups.values()].find((group) => group.length === maxBatchSize || group.some(({ dueMs }) => dueMs <= nowMs));
  }

  #lookAgainWhenDue(): void {
    let dueMs = Number.POSITIVE_INFINITY;
    for (const item of this.#waiting) dueMs = Math.min(dueMs, item.dueMs);
    if (dueMs === Number.POSITIVE_INFINITY) return;
    const timer = new AbortController();
    this.#timer = timer;
    void this.#clock.sleep(Math.max(0, dueMs - this.#clock.nowMs()), timer.signal).then(() => {
      if (!timer.signal.aborted) this.look();
    });
  }
}
