import { StatusError } from "../core/errors.ts";
import { broken, Ended, holds, type Outcome, unchecked } from "./outcome.ts";

/** A refusal that a check caused. */
interface Refusal {
  readonly what: string;
  /** Whether it carried a reason, as Drover's errors do. */
  readonly hasReason: boolean;
}

/** The outcomes for one replica so far. */
export class Checklist {
  readonly outcomes = new Map<string, Outcome>();
  readonly refusals: Refusal[] = [];
  readonly #signal: AbortSignal;
  readonly #moment: () => Promise<void>;
  /** How the process ended, which should be running. */
  #gone: string | undefined;
  #trouble: string | undefined;

  /**
   * `moment` waits as long as the end of a process may take to be known after a call to it failed.
   */
  constructor(signal: AbortSignal, moment: () => Promise<void>) {
    this.#signal = signal;
    this.#moment = moment;
  }

  get gone(): string | undefined {
    return this.#gone;
  }

  /** The process ended by itself: nothing more can be asked of it. */
  end(how: string): void {
    this.#gone = how;
  }

  /** Records the outcome of `run`. An error that the check did not expect breaks the sentence. */
  async check(id: string, run: () => Promise<Outcome | undefined>): Promise<void> {
    this.outcomes.set(id, await this.#outcomeOf(run));
    this.#signal.throwIfAborted();
  }

  /** Runs several checks. Where a call between them fails, those after it are not reached. */
  async part(run: () => Promise<void>): Promise<void> {
    if (this.#gone !== undefined) return;
    try {
      await run();
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      this.#signal.throwIfAborted();
      this.#trouble ??= textOf(error);
    }
  }

  /** The error because of which sentences were not reached. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  /** Why sentences were not reached, in words. */
  get why(): string {
    if (this.#gone !== undefined) return `the process has ended (${this.#gone})`;
    return `it was not reached${this.#trouble === undefined ? "" : ` (${this.#trouble})`}`;
  }

  skip(ids: readonly string[], why: string): void {
    for (const id of ids) if (!this.outcomes.has(id)) this.outcomes.set(id, unchecked(why));
  }

  held(id: string): boolean {
    return this.outcomes.get(id)?.kind === "holds";
  }

  async #outcomeOf(run: () => Promise<Outcome | undefined>): Promise<Outcome> {
    if (this.#gone !== undefined) return unchecked(this.why);
    try {
      return (await run()) ?? holds;
    } catch (error) {
      if (error instanceof Ended) return error.outcome;
      if (!(error instanceof StatusError)) throw error;
      if (error.code === "UNAVAILABLE") await this.#moment();
      return broken("an answer", this.#gone === undefined ? textOf(error) : `${textOf(error)} (the process ended: ${this.#gone})`);
    }
  }
}

export function textOf(error: unknown): string {
  if (error instanceof StatusError) return `${error.code}: ${error.message || "(no message)"}`;
  return error instanceof Error ? error.message : String(error);
}
