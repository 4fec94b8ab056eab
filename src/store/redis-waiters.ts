import type { Redis } from "ioredis";
import type { Clock } from "../clock/clock.ts";
import { commandTimeoutMs, disconnect, disposableConnection, type RedisAddress } from "./redis-connection.ts";
import type { RedisHealth } from "./redis-health.ts";
import { unavailable } from "./unavailable.ts";

/**
 * Waits for new changes in the stream. Each wait blocks its own connection; one connection is kept
 * for the next wait.
 */
export class ChangeWaiters {
  readonly #address: RedisAddress;
  readonly #stream: string;
  readonly #clock: Clock;
  readonly #health: RedisHealth;
  readonly #busy = new Set<Redis>();
  #idle: Redis | undefined;
  readonly #closing = new AbortController();

  constructor(address: RedisAddress, stream: string, health: RedisHealth, clock: Clock) {
    this.#address = address;
    this.#stream = stream;
    this.#health = health;
    this.#clock = clock;
  }

  /**
   * Ends when there is a change after `position`, after `waitMs`, or when the signal aborts. Fails
   * with STORE_UNAVAILABLE if Redis cannot be reached, or has not answered {@link commandTimeoutMs}
   * after `waitMs`.
   */
  async wait(position: number, waitMs: number, signal: AbortSignal): Promise<void> {
    const redis = this.#take();
    const gone = Promise.withResolvers<false>();
    const giveUp = () => gone.resolve(false);
    const stopTimer = this.#clock.after(waitMs + commandTimeoutMs, giveUp);
    const signals = [signal, this.#closing.signal];
    for (const one of signals) one.addEventListener("abort", giveUp);
    if (signals.some((one) => one.aborted)) giveUp();
    let answered = false;
    try {
      answered = await Promise.race([this.#block(redis, position, waitMs), gone.promise]);
      if (!answered && !signal.aborted) throw unavailable({ kind: "away" });
    } catch (error) {
      throw this.#health.failed(error);
    } finally {
      stopTimer();
      for (const one of signals) one.removeEventListener("abort", giveUp);
      this.#giveBack(redis, answered);
    }
  }

  async #block(redis: Redis, position: number, waitMs: number): Promise<true> {
    if (redis.status === "wait") await redis.connect();
    await redis.xread("COUNT", 1, "BLOCK", Math.ceil(waitMs), "STREAMS", this.#stream, `${position}-0`);
    return true;
  }

  #take(): Redis {
    const kept = this.#idle?.status === "ready" ? this.#idle : undefined;
    this.#idle = undefined;
    const redis = kept ?? disposableConnection(this.#address);
    this.#busy.add(redis);
    return redis;
  }

  #giveBack(redis: Redis, sound: boolean): void {
    this.#busy.delete(redis);
    if (sound && !this.#closing.signal.aborted && !this.#idle) this.#idle = redis;
    else redis.disconnect();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    const open = this.#idle ? [...this.#busy, this.#idle] : [...this.#busy];
    await Promise.all(open.map(disconnect));
  }
}
