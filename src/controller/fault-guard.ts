import type { Log } from "../log/log.ts";
import type { Closable } from "./closers.ts";

/**
 * Keeps the process alive after an error that nothing caught: such an error belongs to one call, one
 * connection or one tick, and ending the process would end all the others with it. That is safe
 * because what is decided is in the store, and every loop begins each tick by reading it. The error
 * is logged and counted, as it is a bug. What leaves Node itself in an unknown state, such as a heap
 * that is full, ends the process all the same.
 */
export class FaultGuard implements Closable {
  readonly #log: Pick<Log, "error">;
  #faults = 0;

  constructor(log: Pick<Log, "error">) {
    this.#log = log;
    process.on("uncaughtException", this.#onFault); // a rejection that nobody handles comes here, too
  }

  /** The errors since the guard was made. */
  get faults(): number {
    return this.#faults;
  }

  async close(): Promise<void> {
    process.off("uncaughtException", this.#onFault);
  }

  readonly #onFault = (error: unknown, origin: NodeJS.UncaughtExceptionOrigin): void => {
    this.#faults++;
    this.#log.error({ err: error, origin, faults: this.#faults }, "an error was not caught: a bug in Drover; going on");
  };
}
