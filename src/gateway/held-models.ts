import { modelsMax } from "../core/traffic/model-bounds.ts";
import type { Endpoint } from "../core/traffic/route.ts";

const none: readonly string[] = [];

/**
 * The models that a replica is believed to hold: those that it reported, and those of the requests
 * that this gateway gave it since. Like the replica, it forgets the one that was used longest ago
 * when there are too many.
 */
export class HeldModels {
  #reported = none;
  #max: number | undefined;
  /** In each set, the one used longest ago is the first. */
  readonly #names = new Set<string>();
  /** Given since the last report, and between the last two. */
  #given = new Set<string>();
  #givenBefore = new Set<string>();
  /** The number of the last use of each, of those that this gateway gave. */
  readonly #uses = new Map<string, number>();

  get names(): ReadonlySet<string> {
    return this.#names;
  }

  /** Whether the replica can load one more without unloading another. False: also if it does not say. */
  get hasRoom(): boolean {
    return this.#max !== undefined && this.#names.size < this.#max;
  }

  /** The number of the last use of the model that the replica would unload first. 0: never used. */
  get oldestUse(): number {
    const [oldest] = this.#names;
    return (oldest !== undefined && this.#uses.get(oldest)) || 0;
  }

  /** Takes what the replica last reported. */
  learn({ models = none, maxModels }: Endpoint): void {
    if (models === this.#reported && maxModels === this.#max) return;
    this.#reported = models;
    this.#max = maxModels;
    this.#combine();
  }

  /** The replica gets a request that needs this model. `use` grows from request to request. */
  give(model: string, use: number): void {
    this.#uses.set(model, use);
    this.#use(this.#given, model);
    this.#use(this.#names, model);
  }

  /**
   * The replica has reported, whether or not its models have changed. A report may be older than the
   * last request given, so only the report after the next one overrules it.
   */
  noteReport(): void {
    if (this.#given.size === 0 && this.#givenBefore.size === 0) return;
    this.#givenBefore = this.#given;
    this.#given = new Set();
    this.#combine();
  }

  #combine(): void {
    this.#names.clear();
    for (const names of [this.#reported, this.#givenBefore, this.#given]) for (const name of names) this.#use(this.#names, name);
    for (const name of this.#uses.keys()) if (!this.#names.has(name)) this.#uses.delete(name);
  }

  #use(names: Set<string>, model: string): void {
    names.delete(model);
    names.add(model);
    const [oldest] = names;
    if (oldest !== undefined && names.size > (this.#max ?? modelsMax)) names.delete(oldest);
  }
}
