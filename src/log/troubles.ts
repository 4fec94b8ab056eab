import type { Log } from "./log.ts";

/** How many troubles are remembered. A forgotten trouble is logged again. */
const troublesMax = 1_000;

/**
 * Logs what fails again and again: once, once more when its cause changes, and when it works again.
 */
export class Troubles {
  readonly #log: Pick<Log, "warn" | "info">;
  /** The cause, as it was logged, of each thing that fails now. */
  readonly #causes = new Map<string, string>();

  constructor(log: Pick<Log, "warn" | "info">) {
    this.#log = log;
  }

  /** `what` failed. `facts` and `message` say more, and what happens next. */
  failed(what: string, cause: unknown, facts: Readonly<Record<string, unknown>>, message: string): void {
    const text = String(cause);
    if (this.#causes.get(what) === text) return;
    const [oldest] = this.#causes.keys();
    if (this.#causes.size >= troublesMax && oldest !== undefined) this.#causes.delete(oldest);
    this.#causes.set(what, text);
    this.#log.warn({ ...facts, cause: text }, message);
  }

  /** `what` worked, or there is no `what` any more. */
  over(what: string, facts: Readonly<Record<string, unknown>>, message: string): void {
    if (this.#causes.delete(what)) this.#log.info(facts, message);
  }
}
