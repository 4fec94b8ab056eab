import { AsyncResource } from "node:async_hooks";
import type { Clock } from "../clock/clock.ts";
import { realClock } from "../clock/real.ts";
import { functionMethod } from "../program/definition.ts";
import { millisecondsOf } from "../program/parse-duration.ts";
import { requestInWork, workOn } from "../rpc/request-in-work.ts";
import { batchInWork } from "./batch-context.ts";
import { BatchItem } from "./batch-item.ts";
import { type BatchOptions, BatchQueue } from "./batch-queue.ts";
import { BatchStream, readersOf } from "./batch-stream.ts";
import { wrapped } from "./parameters.ts";
import { countBatch } from "./program-report.ts";

/** Settings of a batched function. */
export interface BatchSettings {
  /** Requests in a batch at most: 1 to 10,000. Default: 10. */
  readonly maxBatchSize?: number;
  /**
   * How long the first request of a batch waits for others: `"10ms"`, or seconds. Longer makes larger
   * batches, and answers later. Default: `"10ms"`.
   */
  readonly batchWaitTimeout?: string | number;
  /** Batches in work at a time: 1 to 1,000. Default: 1. */
  readonly maxConcurrentBatches?: number;
}

type Lists<Args extends readonly unknown[]> = { [Index in keyof Args]: Args[Index][] };
type Results<Result> = readonly (Result | Error)[];

/** What `batched` makes of a function: one call is one request of a batch. */
export interface Batched<Args extends readonly unknown[], Output> {
  (...args: Args): Output;
  /** Changes the settings that are given, for the batches to come. */
  configure(settings: BatchSettings): void;
}

/** In a step of a batch of streams: the stream at this place has ended. */
export const batchEnd: unique symbol = Symbol.for("drover.batch-end");

/** Marks a batched function, so that the host can name it after its method. */
const nameKey: unique symbol = Symbol.for("drover.batch-name");

/**
 * Collects calls and works on them together. `work` gets a list of each argument, with an element for
 * each call, and returns a list with a result for each call in the same order. An `Error` in it fails
 * the call at its place alone; an error that `work` throws fails all calls of the batch.
 *
 * An async generator function makes streams: each `yield` is a list with the next result of each call,
 * or {@link batchEnd} for a call whose stream has ended.
 *
 * A call whose caller has left is dropped before its batch. A batch has calls for one model only.
 * Throws a RangeError or a TypeError for settings that are none.
 */
export function batched<Args extends readonly unknown[], Result>(
  work: (...lists: Lists<Args>) => AsyncGenerator<Results<Result | typeof batchEnd>>,
  settings?: BatchSettings,
): Batched<Args, AsyncIterableIterator<Result>>;
export function batched<Args extends readonly unknown[], Result>(
  work: (...lists: Lists<Args>) => Results<Result> | Promise<Results<Result>>,
  settings?: BatchSettings,
): Batched<Args, Promise<Result>>;
export function batched(work: AnyWork, settings: BatchSettings = {}): Batched<readonly unknown[], unknown> {
  const batcher = new Batcher(work, optionsOf(settings, defaults), realClock);
  const call = isGeneratorFunction(work) ? (...args: unknown[]) => batcher.stream(args) : (...args: unknown[]) => batcher.call(args);
  Object.defineProperty(call, "name", { value: work.name });
  return Object.assign(call, {
    [wrapped]: work,
    configure: (changed: BatchSettings) => batcher.configure(changed),
    [nameKey]: (method: string) => {
      batcher.method = method;
    },
  });
}

/** Names a method's batches in the metrics, if it is batched. */
export function nameBatches(method: string, call: unknown): void {
  (call as { [nameKey]?: (method: string) => void })[nameKey]?.(method);
}

// biome-ignore lint/suspicious/noExplicitAny: the program declares the types
type AnyWork = (...lists: any[]) => any;

const defaults: BatchOptions = { maxBatchSize: 10, batchWaitMs: 10, maxConcurrentBatches: 1 };
const waitMaxMs = 3_600_000;

interface Promised {
  resolve(result: unknown): void;
  reject(cause: unknown): void;
}

type Item = BatchItem<Promised | BatchStream<unknown>>;

class Batcher {
  method: string;
  readonly #work: AnyWork;
  readonly #queue: BatchQueue<Item>;
  readonly #clock: Clock;
  /** A batch belongs to none of its requests, so it runs in the scope of the program's definition. */
  readonly #scope = new AsyncResource("drover.batch");

  constructor(work: AnyWork, options: BatchOptions, clock: Clock) {
    this.method = work.name;
    this.#work = work;
    this.#clock = clock;
    this.#queue = new BatchQueue(options, clock, (batch) => this.#scope.runInAsyncScope(() => this.#run(batch)));
  }

  configure(settings: BatchSettings): void {
    this.#queue.options = optionsOf(settings, this.#queue.options);
    this.#queue.look();
  }

  async call(args: readonly unknown[]): Promise<unknown> {
    requestInWork()?.context.signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      this.#enter(args, { resolve, reject }, (item, reason) => {
        this.#queue.remove(item);
        reject(reason);
      });
    });
  }

  stream(args: readonly unknown[]): BatchStream<unknown> {
    const stream = new BatchStream<unknown>(() => item.leave());
    const item = this.#enter(args, stream, (left, cause) => {
      this.#queue.remove(left);
      stream.end({ cause });
    });
    return stream;
  }

  #enter(args: readonly unknown[], output: Item["output"], onLeft: (item: Item, reason: unknown) => void): Item {
    const times = { nowMs: this.#clock.nowMs(), wallMs: this.#clock.wallMs(), waitMs: this.#queue.options.batchWaitMs };
    const item: Item = new BatchItem(args, output, times, onLeft);
    this.#queue.add(item);
    return item;
  }

  /** Works on a batch. Never rejects. */
  async #run(batch: readonly Item[]): Promise<void> {
    const nowMs = this.#clock.nowMs();
    const waitMs = batch.reduce((sum, { sinceMs }) => sum + nowMs - sinceMs, 0);
    countBatch(this.method || functionMethod, batch.length, waitMs / 1_000);
    const gone = new AbortController();
    for (const item of batch) {
      item.whenLeft = () => {
        if (batch.every(({ isOver }) => isOver)) gone.abort();
      };
    }
    const request = batchInWork(
      batch.flatMap((item) => item.request ?? []),
      gone.signal,
    );
    const run = async () => {
      const width = Math.max(0, ...batch.map(({ args }) => args.length));
      const lists = Array.from({ length: width }, (_, index) => batch.map(({ args }) => args[index]));
      const output: unknown = this.#work(...lists);
      const isStream = batch.some((item) => item.output instanceof BatchStream);
      if (isAsyncIterable(output) && !isStream)
        throw new TypeError(`the batched function "${this.method}" gives a stream, so it must be an async generator function`);
      if (isAsyncIterable(output)) await this.#relay(batch, output);
      else this.#settle(batch, this.#checked(await output, batch.length));
    };
    await (request === undefined ? run() : workOn(request, run)).catch((cause: unknown) => {
      for (const item of batch) fail(item, cause);
    });
  }

  #settle(batch: readonly Item[], results: readonly unknown[]): void {
    batch.forEach((item, index) => {
      const result = results[index];
      if (item.isOver) return;
      if (result instanceof Error || item.output instanceof BatchStream) fail(item, result);
      else {
        item.settle();
        item.output.resolve(result);
      }
    });
  }

  /** Gives each stream of the batch its part of each step, until none wants more. */
  async #relay(batch: readonly Item[], steps: AsyncIterable<unknown>): Promise<void> {
    for await (const step of steps) {
      const results = this.#checked(step, batch.length);
      batch.forEach((item, index) => {
        const result = results[index];
        if (item.isOver || !(item.output instanceof BatchStream)) return;
        if (result instanceof Error) fail(item, result);
        else if (result === batchEnd) end(item);
        else item.output.push(result);
      });
      const open = batch.flatMap(({ isOver, output }) => (!isOver && output instanceof BatchStream ? output : []));
      if (open.length === 0) return;
      await readersOf(open, this.#clock, (stream, cause) => {
        for (const item of batch) if (item.output === stream) fail(item, cause);
      });
    }
    for (const item of batch) end(item);
  }

  #checked(results: unknown, wanted: number): readonly unknown[] {
    // Models often give a typed array of numbers.
    const list = ArrayBuffer.isView(results) && !(results instanceof DataView) ? Array.from(results as Uint8Array) : results;
    if (Array.isArray(list) && list.length === wanted) return list;
    const given = Array.isArray(list) ? `${list.length} results` : typeof results;
    throw new TypeError(`the batched function "${this.method}" must give a list of ${wanted} results, one for each call, not ${given}`);
  }
}

function fail(item: Item, cause: unknown): void {
  if (item.isOver) return;
  item.settle();
  if (item.output instanceof BatchStream) item.output.end({ cause });
  else item.output.reject(cause);
}

function end(item: Item): void {
  if (item.isOver || !(item.output instanceof BatchStream)) return;
  item.settle();
  item.output.end();
}

const isAsyncIterable = (value: unknown): value is AsyncIterable<unknown> =>
  typeof value === "object" && value !== null && Symbol.asyncIterator in value;

const isGeneratorFunction = (work: AnyWork): boolean => Object.prototype.toString.call(work) === "[object AsyncGeneratorFunction]";

function optionsOf({ maxBatchSize, batchWaitTimeout, maxConcurrentBatches }: BatchSettings, before: BatchOptions): BatchOptions {
  return {
    maxBatchSize: within("maxBatchSize", maxBatchSize ?? before.maxBatchSize, 10_000),
    batchWaitMs: batchWaitTimeout === undefined ? before.batchWaitMs : waitMsOf(batchWaitTimeout),
    maxConcurrentBatches: within("maxConcurrentBatches", maxConcurrentBatches ?? before.maxConcurrentBatches, 1_000),
  };
}

function within(option: string, value: number, max: number): number {
  if (Number.isInteger(value) && value >= 1 && value <= max) return value;
  throw new RangeError(`batched option ${option}: must be a whole number from 1 to ${max}, not ${value}`);
}

function waitMsOf(value: string | number): number {
  const ms = millisecondsOf(value);
  if (ms !== undefined && ms <= waitMaxMs) return ms;
  throw new RangeError(`batched option batchWaitTimeout: must be a time up to 1h, such as "10ms" or 0.01 for seconds, not ${value}`);
}
