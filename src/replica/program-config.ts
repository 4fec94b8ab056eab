import { refusal, StatusError } from "../core/errors.ts";
import { type Json, sameJson } from "../core/json.ts";
import type { Load } from "./load.ts";
import type { HostedProgram } from "./program.ts";
import { statusOf } from "./program-errors.ts";
import type { ReplicaLog } from "./stderr-log.ts";
import { passedThrough } from "./user-config-schema.ts";

/** How many changes may wait for the current one; only a faulty controller sends more. */
const waitingMax = 16;

/** A config change as a replica gets it. */
export interface Change {
  readonly generation: bigint;
  /** Undefined: the deployment has no `user_config`. */
  readonly userConfig: Json | undefined;
  /** Bound on requests at a time; undefined: unchanged. */
  readonly ongoingMax: number | undefined;
}

/**
 * The `user_config` that a program serves with, and the bound on its requests that comes with it.
 *
 * Changes, and checks of changes, run one at a time in the order of their calls: hooks of a program
 * never run concurrently, and a check must not pass while `reconfigure` hangs. Each returns the
 * generation in use when it ends. `allowed` is called when the turn of the change has come, and
 * again before the program takes the config; if it throws, the change fails.
 */
export class ProgramConfig {
  readonly #program: Pick<HostedProgram, "hooks" | "userConfigSchema">;
  readonly #load: Pick<Load, "limit">;
  readonly #log: Pick<ReplicaLog, "warn">;
  #generation = 0n;
  /** The config that the program took last; undefined: none yet. */
  #taken: Json | undefined;
  /**
   * Whether the last `reconfigure` failed: the program may then serve with a mix of the old and the
   * new config.
   */
  #torn = false;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(program: Pick<HostedProgram, "hooks" | "userConfigSchema">, load: Pick<Load, "limit">, log: Pick<ReplicaLog, "warn">) {
    this.#program = program;
    this.#load = load;
    this.#log = log;
  }

  /** The generation of the last config applied; 0: none yet. */
  get generation(): bigint {
    return this.#generation;
  }

  /**
   * Checks the config with the program, which changes nothing. Fails if the program would refuse
   * it.
   */
  prepare({ userConfig }: Change, allowed: () => void): Promise<bigint> {
    return this.#inTurn(allowed, async () => {
      if (userConfig !== undefined && !this.#servesBy(userConfig)) await this.#validated(userConfig);
    });
  }

  /**
   * Makes the change if it is newer than the one in use. Without a config, the program keeps the
   * one it has.
   */
  apply(change: Change, allowed: () => void): Promise<bigint> {
    return this.#inTurn(allowed, async () => {
      if (change.generation > this.#generation) await this.#become(change, allowed);
    });
  }

  /** Makes the change, newer or older, unless it is certainly in use. */
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

  /** Whether the program has this config already: if only the bound changes, no hook is called. */
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

  /**
   * The value for the program, from its schema if it has one. Fails if the schema or the program
   * refuses the config.
   */
  async #validated(userConfig: Json): Promise<unknown> {
    const { hooks, userConfigSchema } = this.#program;
    if (!hooks.reconfigure) {
      const remedy = "add a method reconfigure(userConfig) to its class, or remove user_config from its spec";
      throw refusal("RECONFIGURE_REFUSED", `the program takes no user_config: ${remedy}`);
    }
    // A copy, because a program may modify its argument, and later changes are compared with the
    // original.
    const copy = structuredClone(userConfig);
    return this.#answered(async () => {
      const value = userConfigSchema ? await passedThrough(userConfigSchema, copy) : copy;
      await hooks.validateConfig?.(value);
      return value;
    });
  }

  /**
   * Calls the program. An error that it throws becomes a refusal with the same message. An error
   * that looks like a bug goes to the log too, with its stack.
   */
  async #answered<T>(call: () => T): Promise<Awaited<T>> {
    try {
      return await call();
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
