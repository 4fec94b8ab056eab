import { refusal } from "../core/errors.ts";
import type { Interceptor } from "../rpc/server.ts";
import type { CallContext } from "../rpc/service.ts";

/** The trailer of a call that was refused before it began, so that it is safe to send it elsewhere. */
export const refusedTrailer = "drover-refused";

/** When a refused caller is to try again: a request's end makes room; a replica that drains is replaced. */
const retryBusyMs = 100;
const retryDrainingMs = 1_000;

/** Counts of a replica's requests. */
export interface LoadReport {
  readonly ongoing: number;
  /** Ended with status OK. */
  readonly completed: number;
  /** Ended with another status; refused ones never began and do not count. */
  readonly failed: number;
}

/** Counts a replica's requests from acceptance to end, streams included, and refuses those above the bound or while it drains. */
export class Load {
  #ongoingMax: number;
  readonly #counts: (context: CallContext) => boolean;
  #ongoing = 0;
  #completed = 0;
  #failed = 0;
  #draining = false;
  #whenIdle: (() => void)[] = [];

  /** `counts` tells the calls that are requests from those that are not, such as health checks. */
  constructor(ongoingMax: number, counts: (context: CallContext) => boolean) {
    this.#ongoingMax = ongoingMax;
    this.#counts = counts;
  }

  readonly interceptor: Interceptor = async (context, next) => {
    if (!this.#counts(context)) return next();
    this.#admit(context);
    this.#ongoing++;
    try {
      await next();
      // Whatever the program made of it, a caller that left got no OK.
      if (context.signal.aborted) this.#failed++;
      else this.#completed++;
    } catch (cause) {
      this.#failed++;
      throw cause;
    } finally {
      this.#ongoing--;
      if (this.#ongoing === 0) for (const wake of this.#whenIdle.splice(0)) wake();
    }
  };

  report(): LoadReport {
    return { ongoing: this.#ongoing, completed: this.#completed, failed: this.#failed };
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** Refuses requests above this many at a time from now on; those in work go on, whatever their number. */
  limit(ongoingMax: number): void {
    this.#ongoingMax = ongoingMax;
  }

  /** Takes no request from now on; there is no way back. */
  drain(): void {
    this.#draining = true;
  }

  /** Resolves when nothing is ongoing. */
  idle(): Promise<void> {
    if (this.#ongoing === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenIdle.push(resolve));
  }

  #admit(context: CallContext): void {
    if (this.#draining) {
      context.responseTrailers.set(refusedTrailer, "draining");
      throw refusal("REPLICA_DRAINING", "the replica drains and takes no more requests", { retryAfterMs: retryDrainingMs });
    }
    if (this.#ongoing >= this.#ongoingMax) {
      context.responseTrailers.set(refusedTrailer, "busy");
      const counts = `${this.#ongoing} requests in work; its max_ongoing_requests is ${this.#ongoingMax}`;
      throw refusal("REPLICA_BUSY", `the replica has ${counts}`, { retryAfterMs: retryBusyMs });
    }
  }
}
