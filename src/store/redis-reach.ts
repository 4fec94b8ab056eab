import type { Redis } from "ioredis";
import type { Clock } from "../clock/clock.ts";
import { storeTroubleInWords } from "../core/words/store-trouble-words.ts";
import { printable, type RedisAddress } from "./redis-connection.ts";
import { troubleOf } from "./redis-health.ts";
import { parseInfo } from "./requirements.ts";

/** The longest wait for a Redis that is loading. */
const openTimeoutMs = 60_000;
const loadingPollMs = 50;

/** Connects, waits until Redis has read its data, and returns what INFO says. */
export async function reach(redis: Redis, options: RedisAddress & { readonly clock: Clock }): Promise<string> {
  let cause = "no answer";
  const note = (error: Error) => {
    cause = error.message;
  };
  redis.on("error", note);
  const giveUp = new AbortController();
  const stopTimer = options.clock.after(openTimeoutMs, () => {
    giveUp.abort();
    redis.disconnect();
  });
  try {
    await redis.connect();
    for (;;) {
      const info = await redis.info();
      if (parseInfo(info).get("loading") !== "1") return info;
      cause = "it still reads its data";
      await options.clock.sleep(loadingPollMs, giveUp.signal);
    }
  } catch (error) {
    const trouble = troubleOf(error);
    const why = trouble === undefined ? cause : storeTroubleInWords(trouble);
    throw new Error(
      `Redis cannot be reached at ${printable(options)} (${why}): start it there, point --redis at another, or leave --redis out.`,
    );
  } finally {
    stopTimer();
    redis.off("error", note);
  }
}
