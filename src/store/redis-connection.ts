import { Redis, type RedisOptions, ReplyError } from "ioredis";
import { refusal, StatusError } from "../core/errors.ts";
import type { Log } from "../log/log.ts";

/** Longest time a command may take. */
export const commandTimeoutMs = 2_000;
/** Longest time to connect. */
const connectTimeoutMs = 2_000;
/** Longest time without a byte while answers are due; then the connection is given up and made anew. */
const silenceTimeoutMs = 2 * commandTimeoutMs;
/** What a caller is told to wait before trying again. */
const retryAfterMs = 1_000;
const reconnectMaxMs = 1_000;

/** Where a Redis is: one of the two. */
export interface RedisAddress {
  /** `redis://` or `rediss://`, with user, password and database number if needed. */
  readonly url?: string | undefined;
  readonly socketPath?: string | undefined;
}

/** The address as a person may see it: without the password. */
export function printable(address: RedisAddress): string {
  if (address.socketPath !== undefined) return `unix:${address.socketPath}`;
  return (address.url ?? "").replace(/\/\/[^@/]*@/, "//…@");
}

/** A connection for commands: it fails them at once while Redis is away, never sends one twice, and comes back by itself. Not yet connected. */
export function commandConnection(address: RedisAddress, log: Log): Redis {
  const redis = connection(address, {
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    commandTimeout: commandTimeoutMs,
    socketTimeout: silenceTimeoutMs,
    retryStrategy: (attempt) => Math.min(25 * 2 ** Math.min(attempt, 10), reconnectMaxMs),
    // After a failover the old primary refuses writes: look for the new one.
    reconnectOnError: (error) => error.message.startsWith("READONLY"),
  });
  let away = false;
  redis.on("error", (error: Error) => log.debug({ err: error }, "redis connection"));
  redis.on("reconnecting", () => {
    if (!away) log.warn("Redis is away; trying to reach it again");
    away = true;
  });
  redis.on("ready", () => {
    if (away) log.info("Redis is back");
    away = false;
  });
  return redis;
}

/** A connection for one blocking command after another: it is thrown away when anything goes wrong. Not yet connected. */
export function disposableConnection(address: RedisAddress, options: RedisOptions = {}): Redis {
  const redis = connection(address, { ...options, enableOfflineQueue: false, enableReadyCheck: false, retryStrategy: () => null });
  redis.on("error", () => {}); // the command itself fails; without a listener ioredis prints
  return redis;
}

function connection(address: RedisAddress, options: RedisOptions): Redis {
  const all: RedisOptions = { ...options, lazyConnect: true, disableClientInfo: true, connectTimeout: connectTimeoutMs };
  if (address.socketPath !== undefined) return new Redis({ ...all, path: address.socketPath });
  if (address.url === undefined || !/^rediss?:\/\//.test(address.url)) {
    throw new Error(`${printable(address) || "an empty address"} is no address of a Redis: write redis://host:port or rediss://host:port`);
  }
  return new Redis(address.url, all);
}

/** Ends a connection and waits until it is over. */
export async function disconnect(redis: Redis): Promise<void> {
  const open = ["connecting", "connect", "ready"].includes(redis.status);
  const ended = open ? new Promise((resolve) => redis.once("end", resolve)) : undefined;
  redis.disconnect();
  await ended;
}

/** Answers of a Redis that is there but cannot do it now; any other answer with an error is a bug of ours. */
const passing = /^(LOADING|MASTERDOWN|READONLY|MISCONF|OOM|NOREPLICAS|BUSY|CLUSTERDOWN|TRYAGAIN|NOAUTH|WRONGPASS|NOPERM)\b/;

/** Passes errors of ours on, and makes all that a Redis which is away can cause into STORE_UNAVAILABLE. */
export function storeError(error: unknown): unknown {
  if (error instanceof StatusError) return error;
  if (!(error instanceof ReplyError)) return unavailable("Redis did not answer; try again");
  const { message } = error as Error;
  return passing.test(message) ? unavailable(`Redis refuses for now: ${message.split("\n")[0]}`) : error;
}

export function unavailable(message: string): StatusError {
  return refusal("STORE_UNAVAILABLE", message, { retryAfterMs });
}
