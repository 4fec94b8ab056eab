import { refusal, StatusError } from "../core/errors.ts";
import { type Json, sameJson } from "../core/json.ts";
import type { Load } from "./load.ts";
import type { Program } from "./program.ts";
import { statusOf } from "./program-errors.ts";
import type { ReplicaLog } from "./stderr-log.ts";
import { passedThrough } from "./user-config-schema.ts";

/** Changes that may wait for the one in work; only a controller that lost count sends more. */
const waitingMax = 16;

/** What a replica is to serve by. */
export interface Change {
  readonly generation: bigint;
  /** Undefined: the deployment has none. */
  readonly userConfig: Json | undefined;
  /** Requests at a time; undefined: as before. */
  readonly ongoingMax: number | undefined;
}

/**
 * The `user_config` a program serves by, and the bound on its requests that goes with it.
 *
 * Changes are made one at a time, in the order they came, checks among them: a program's hooks never run beside each other, and a
 * check that passes while `reconfigure` hangs would promise what the replica cannot keep. Each gives the generation served by when it
 * ends. `allowed` is asked when its turn has come, and again before the program takes anything.
 */
export class Config {
  readonly #program: Pick<Program, "hooks" | "userConfigSchema">;
  readonly #load: Pick<Load, "limit">;
  readonly #log: Pick<ReplicaLog, "warn">;
  #generation = 0n;
  /** What the program took last; undefined: nothing so far. */
  #taken: Json | undefined;
  /** Whether a `reconfigure` began and did not end well: what the program serves by may then be neither the one config nor the other. */
  #torn = false;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(program: Pick<Program, "hooks" | "userConfigSchema">, load: Pick<Load, "limit">, log: Pick<ReplicaLog, "warn">) {
    this.#program = program;
    this.#load = load;
    this.#log = log;
  }

  /** The generation of the last config applied; 0: none yet. */
  get generation(): bigint {
    return this.#generation;
  }

  /** Fails if the program would refuse the config; changes nothing. */
  prepare({ userConfig }: Change, allowed: () => void): Promise<bigint> {
    return this.#inTurn(allowed, async () => {
      if (userConfig !== undefined && !this.#servesBy(userConfig)) await this.#validated(userConfig);
    });
  }

  /** Serves by the change, if it is newer than what is in use. Without a config the program keeps what it has. */
  apply(change: Change, allowed: () => void): Promise<bigint> {
    return this.#inTurn(allowed, async () => {
      if (change.generation > this.#generation) await this.#become(change, allowed);
    });
  }

  /** Serves by the change, newer or older, unless it is in use for certain. */
  revert(change: Change, allowed: () => void): Promise<bigint> {
    return this.#inTurn(allowed, async () => {
      if (change.generation === this.#generation && !this.#torn) return;
      if (change.userConfig === undefined && this.#taken !== undefined) throw noWayBack();
      await this.#become(change, allowed);
    });
  }

  #inTurn(allowed: () => void, step: () => Promise<void>): Promise<bigint> {
    if (this.#waiting >= waitingMax) throw new StatusError("RESOURCE_EXHAUSTED", `${waitingMax} changes of user_config wait already`);
    this.#waiting++;
    const turn = this.#last.then(async () => {
      this.#waiting--;
      allowed();
      await step();
      return this.#generation;
    });
    this.#last = turn.catch(() => {});
    return turn;
  }

  async #become({ generation, userConfig, ongoingMax }: Change, allowed: () => void): Promise<void> {
    if (userConfig === undefined) {
      if (this.#torn) throw noWayBack();
    } else if (!this.#servesBy(userConfig)) {
      await this.#take(userConfig, allowed);
    }
    this.#generation = generation;
    if (ongoingMax !== undefined) this.#load.limit(ongoingMax);
  }

  /** Where only the bound changes, the program is left alone. */
  #servesBy(userConfig: Json): boolean {
    return !this.#torn && sameJson(userConfig, this.#taken);
  }

  async #take(userConfig: Json, allowed: () => void): Promise<void> {
    const value = await this.#validated(userConfig);
    allowed();
    this.#torn = true;
    await this.#answered(() => this.#program.hooks.reconfigure?.(value));
    this.#torn = false;
    this.#taken = userConfig;
  }

  /** The value that the program gets, if it and its schema have nothing against it. */
  async #validated(userConfig: Json): Promise<unknown> {
    const { hooks, userConfigSchema } = this.#program;
    if (!hooks.reconfigure) {
      const remedy = "add a method reconfigure(userConfig) to its class, or remove user_config from its spec";
      throw refusal("RECONFIGURE_REFUSED", `the program takes no user_config: ${remedy}`);
    }
    // A copy, because a program may change what it is given, and later changes are compared with this one.
    const given = structuredClone(userConfig);
    return this.#answered(async () => {
      const value = userConfigSchema ? await passedThrough(userConfigSchema, given) : given;
      await hooks.validateConfig?.(value);
      return value;
    });
  }

  /** What the program answers; what it throws is a refusal, with its message. What looks like a slip goes to the log, with its place. */
  async #answered<T>(ask: () => T): Promise<Awaited<T>> {
    try {
      return await ask();
    } catch (cause) {
      const status = statusOf(cause);
      if (status?.code === "INVALID_ARGUMENT") throw status;
      if (cause instanceof TypeError || cause instanceof ReferenceError) this.#log.warn({ err: cause }, "user_config was refused");
      throw refusal("RECONFIGURE_REFUSED", cause instanceof Error ? cause.message : String(cause));
    }
  }
}

function noWayBack(): StatusError {
  const why = "there is no user_config to go back to, and the program cannot be made to forget the one it was given";
  return refusal("RECONFIGURE_REFUSED", `${why}: replace the replica`);
}
