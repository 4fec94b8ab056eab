import { refusal, StatusError } from "../core/errors.ts";
import type { Json } from "../core/json.ts";
import type { Program } from "./program.ts";
import { statusOf } from "./program-errors.ts";

/** Changes that may wait for the one in work; only a controller that lost count sends more. */
const waitingMax = 16;

/** The `user_config` a program serves by; changes are applied one at a time, in the order they came. */
export class Config {
  readonly #hooks: Program["hooks"];
  #generation = 0n;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(hooks: Program["hooks"]) {
    this.#hooks = hooks;
  }

  /** The generation of the last config applied; 0: none yet. */
  get generation(): bigint {
    return this.#generation;
  }

  /**
   * Has the program take the config, and gives the generation it serves by then; undefined: there is none, only the
   * generation is noted. One that is not newer changes nothing. `allowed` is asked when its turn has come.
   */
  apply(generation: bigint, userConfig: Json | undefined, allowed: () => void): Promise<bigint> {
    if (this.#waiting >= waitingMax) throw new StatusError("RESOURCE_EXHAUSTED", `${waitingMax} changes of user_config wait already`);
    this.#waiting++;
    const turn = this.#last.then(async () => {
      this.#waiting--;
      allowed();
      if (generation <= this.#generation) return this.#generation;
      if (userConfig !== undefined) await this.#take(userConfig);
      this.#generation = generation;
      return generation;
    });
    this.#last = turn.catch(() => {});
    return turn;
  }

  async #take(userConfig: Json): Promise<void> {
    if (!this.#hooks.reconfigure) {
      const remedy = "add a method reconfigure(userConfig) to its class, or remove user_config from its spec";
      throw refusal("RECONFIGURE_REFUSED", `the program takes no user_config: ${remedy}`);
    }
    try {
      await this.#hooks.validateConfig?.(userConfig);
      await this.#hooks.reconfigure(userConfig);
    } catch (cause) {
      const status = statusOf(cause);
      if (status?.code === "INVALID_ARGUMENT") throw status;
      throw refusal("RECONFIGURE_REFUSED", cause instanceof Error ? cause.message : String(cause));
    }
  }
}
