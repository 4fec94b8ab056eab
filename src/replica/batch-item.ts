import { StatusError } from "../core/errors.ts";
import { type RequestInWork, requestInWork } from "../rpc/request-in-work.ts";
import type { AwaitsBatch } from "./batch-queue.ts";

/** One request of a batch. */
export class BatchItem<Output> implements AwaitsBatch {
  readonly args: readonly unknown[];
  readonly model: string | undefined;
  readonly sinceMs: number;
  readonly dueMs: number;
  /** Undefined: it is called outside of requests. */
  readonly request: RequestInWork | undefined;
  readonly output: Output;
  readonly #signal: AbortSignal | undefined;
  readonly #onLeft: (item: BatchItem<Output>, reason: unknown) => void;
  /** Whether nobody waits for it any more, or it has its result. */
  isOver = false;
  /** Called when the caller leaves while the batch is in work. */
  whenLeft: () => void = () => {};

  /** `onLeft` is called once if the caller leaves before `settle`. */
  constructor(
    args: readonly unknown[],
    output: Output,
    times: { readonly nowMs: number; readonly wallMs: number; readonly waitMs: number },
    onLeft: (item: BatchItem<Output>, reason: unknown) => void,
  ) {
    this.request = requestInWork();
    const context = this.request?.context;
    this.args = args;
    this.output = output;
    this.model = context?.model;
    this.sinceMs = times.nowMs;
    this.dueMs = times.nowMs + Math.min(times.waitMs, ownWaitMs(times.wallMs, context?.deadlineMs));
    this.#signal = context?.signal;
    this.#onLeft = onLeft;
    this.#signal?.addEventListener("abort", this.#leave);
  }

  /** Called with its result. Its caller is not waited for any more. */
  settle(): void {
    this.isOver = true;
    this.#signal?.removeEventListener("abort", this.#leave);
  }

  /** The caller leaves. */
  readonly #leave = (): void => {
    if (this.isOver) return;
    this.settle();
    this.#onLeft(this, this.#signal?.reason ?? new StatusError("CANCELLED", "the caller left"));
    this.whenLeft();
  };

  /** The reader of a stream leaves. */
  leave(): void {
    this.#leave();
  }
}

/** Of the time that a caller has left, at most half is spent waiting for others. */
function ownWaitMs(wallMs: number, deadlineMs: number | undefined): number {
  return deadlineMs === undefined ? Number.POSITIVE_INFINITY : Math.max(0, (deadlineMs - wallMs) / 2);
}
