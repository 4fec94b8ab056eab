import { realpath } from "node:fs/promises";
import { hostname } from "node:os";
import type { Clock } from "../clock/clock.ts";
import { nodeName } from "../engine/local/node-name.ts";
import type { Log } from "../log/log.ts";
import type { ClaimResult, EngineClaim, Store } from "../store/store.ts";

/** How long a claim stays that is not renewed. Then another controller may start on the Redis. */
const claimMs = 30_000;
/** How often it is renewed. */
const renewMs = 5_000;

export interface ClaimOptions {
  readonly store: Store;
  readonly dataDir: string;
  /** The addresses as configured. */
  readonly config: { readonly api: string; readonly gateway: string };
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Keeps a second controller with a local engine away from the same Redis: each would start the
 * replicas of all deployments on its own machine, and neither could see those of the other. A
 * controller that starts again on the same data folder has the claim at once. A controller that ends
 * gives its claim up; the claim of a controller that was killed runs out.
 */
export class HeldClaim {
  readonly #options: ClaimOptions;
  readonly #end = new AbortController();
  readonly #renewing: Promise<void>;
  #claim: EngineClaim;
  #held = true;

  /** Fails with an Error that names the other controller and says what to do. */
  static async open(options: ClaimOptions): Promise<HeldClaim> {
    const dataDir = await realpath(options.dataDir);
    const claim: EngineClaim = { node: await nodeName(dataDir), dataDir, host: hostname(), pid: process.pid, ...options.config };
    const result = await options.store.claim(claim, claimMs);
    if (result.kind === "taken") throw new Error(takenInWords(result));
    return new HeldClaim(options, claim);
  }

  private constructor(options: ClaimOptions, claim: EngineClaim) {
    this.#options = options;
    this.#claim = claim;
    this.#renewing = this.#renew();
  }

  /** Whether this controller may lead. False: it was silent so long that another one took over. */
  get held(): boolean {
    return this.#held;
  }

  /** The addresses where it really listens, for the message that a second controller prints. */
  listens(addresses: ClaimOptions["config"]): void {
    this.#claim = { ...this.#claim, ...addresses };
  }

  async #renew(): Promise<void> {
    const { store, clock, log } = this.#options;
    const { signal } = this.#end;
    while (!signal.aborted) {
      await clock.sleep(renewMs, signal);
      if (signal.aborted) break;
      // While the store is away, nobody can take it over either.
      const result = await store.claim(this.#claim, claimMs).catch(() => undefined);
      if (result === undefined) continue;
      if (result.kind === "taken" && this.#held) log.error(`this controller no longer acts: ${takenInWords(result)}`);
      if (result.kind === "claimed" && !this.#held) log.warn("the Redis is free again; this controller acts again");
      this.#held = result.kind === "claimed";
    }
  }

  async close(): Promise<void> {
    this.#end.abort();
    await this.#renewing;
    await this.#options.store.unclaim(this.#claim).catch(() => {});
  }
}

function takenInWords({ by, remainingMs }: Extract<ClaimResult, { kind: "taken" }>): string {
  const { host, pid, dataDir, api, gateway } = by;
  const silentS = Math.round((claimMs - remainingMs) / 1_000);
  return (
    `another controller uses this Redis (pid ${pid} on ${host}, data folder ${dataDir}, api ${api}, gateway ${gateway}; last heard of ${silentS} s ago), ` +
    "and each of the two would start all replicas again: stop that one, or give this one a Redis of its own (--redis, or leave --redis out). " +
    `If that one is gone for good, start this one again in ${Math.ceil(remainingMs / 1_000)} s.`
  );
}
