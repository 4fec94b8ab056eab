import { refusal } from "../core/errors.ts";
import { refusedTrailer } from "../core/metadata-keys.ts";
import type { Interceptor } from "../rpc/server.ts";
import type { CallContext } from "../rpc/service.ts";

/**
 * How long a refused caller should wait: a busy replica soon ends a request, a draining one is
 * replaced.
 */
const retryBusyMs = 100;
const retryDrainingMs = 1_000;

/** The counts of a replica's requests. */
export interface RequestCounts {
  readonly ongoing: number;
  /** Ended with status OK. */
  readonly completed: number;
  /** Ended with another status. Refused requests never began and do not count. */
  readonly failed: number;
}

/**
 * Counts a replica's requests and streams from acceptance to end. Refuses requests above the bound
 * and while the replica drains.
 */
export class Load {
  #ongoingMax: number;
  readonly #counts: (context: CallContext) => boolean;
  #ongoing = 0;
  #completed = 0;
  #failed = 0;
  #draining = false;
  #whenIdle: (() => void)[] = [];

  /**
   * `counts` returns whether a call is a request; others, such as health checks, are not counted.
   */
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
      // A caller that left got no OK, whatever the program returned.
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

  report(): RequestCounts {
    return { ongoing: this.#ongoing, completed: this.#completed, failed: this.#failed };
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** Sets the bound on requests at a time. Ongoing requests go on, also above the bound. */
  limit(ongoingMax: number): void {
    this.#ongoingMax = ongoingMax;
  }

  /** Refuses all requests from now on, for ever. */
  drain(): void {
    this.#draining = true;
  }

  /** Resolves when no request is ongoing. */
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
