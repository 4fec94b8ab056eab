import { Redis, type RedisOptions, ReplyError } from "ioredis";
import { refusal, StatusError } from "../core/errors.ts";
import type { Log } from "../log/log.ts";

/** The longest time for a command. */
export const commandTimeoutMs = 2_000;
/** The longest time to connect. */
const connectTimeoutMs = 2_000;
/**
 * The longest time without a byte while answers are due. Then the connection is closed and opened
 * again.
 */
const silenceTimeoutMs = 2 * commandTimeoutMs;
/** The wait that callers are asked to keep before a retry. */
const retryAfterMs = 1_000;
const reconnectMaxMs = 1_000;

/** The address of a Redis. */
export type RedisAddress =
  /** `redis://` or `rediss://`, with user, password and database number if needed. */
  { readonly url: string; readonly socketPath?: undefined } | { readonly socketPath: string; readonly url?: undefined };

/** The address without its password, for people. */
export function printable(address: RedisAddress): string {
  if (address.socketPath !== undefined) return `unix:${address.socketPath}`;
  return address.url.replace(/\/\/[^@/]*@/, "//…@");
}

/**
 * A connection for commands. While Redis is unavailable, commands fail at once. No command is sent
 * twice. It reconnects by itself. Not connected yet.
 */
export function commandConnection(address: RedisAddress, log: Log): Redis {
  const redis = connection(address, {
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    commandTimeout: commandTimeoutMs,
    socketTimeout: silenceTimeoutMs,
    retryStrategy: (attempt) => Math.min(25 * 2 ** Math.min(attempt, 10), reconnectMaxMs),
    // After a failover the old primary refuses writes: reconnect, to find the new one.
    reconnectOnError: (error) => error.message.startsWith("READONLY"),
  });
  let away = false;
  redis.on("error", (error: Error) => log.debug({ err: error }, "redis connection"));
  redis.on("reconnecting", () => {
    if (!away) log.warn("Redis cannot be reached; reconnecting");
    away = true;
  });
  redis.on("ready", () => {
    if (away) log.info("Redis can be reached again");
    away = false;
  });
  return redis;
}

/**
 * A connection for one blocking command after another. It is dropped after any failure. Not
 * connected yet.
 */
export function disposableConnection(address: RedisAddress, options: RedisOptions = {}): Redis {
  const redis = connection(address, { ...options, enableOfflineQueue: false, enableReadyCheck: false, retryStrategy: () => null });
  redis.on("error", () => {}); // the command itself fails; without a listener ioredis prints the error
  return redis;
}

function connection(address: RedisAddress, options: RedisOptions): Redis {
  const all: RedisOptions = { ...options, lazyConnect: true, disableClientInfo: true, connectTimeout: connectTimeoutMs };
  if (address.socketPath !== undefined) return new Redis({ ...all, path: address.socketPath });
  if (!/^rediss?:\/\//.test(address.url)) {
    throw new Error(`${printable(address) || "an empty address"} is no address of a Redis: write redis://host:port or rediss://host:port`);
  }
  return new Redis(address.url, all);
}

/** Closes a connection, and waits until it is closed. */
export async function disconnect(redis: Redis): Promise<void> {
  const open = ["connecting", "connect", "ready"].includes(redis.status);
  const ended = open ? new Promise((resolve) => redis.once("end", resolve)) : undefined;
  redis.disconnect();
  await ended;
}

/**
 * Error replies of a Redis that is reachable but cannot serve now. Any other error reply is a bug
 * of ours.
 */
const passing = /^(LOADING|MASTERDOWN|READONLY|MISCONF|OOM|NOREPLICAS|BUSY|CLUSTERDOWN|TRYAGAIN|NOAUTH|WRONGPASS|NOPERM)\b/;

/**
 * Returns StatusErrors as they are, and STORE_UNAVAILABLE for everything that an unavailable Redis
 * can cause.
 */
export function storeError(error: unknown): unknown {
  if (error instanceof StatusError) return error;
  if (!(error instanceof ReplyError)) return unavailable("Redis did not answer; try again");
  const { message } = error as Error;
  return passing.test(message) ? unavailable(`Redis refuses for now: ${message.split("\n")[0]}`) : error;
}

export function unavailable(message: string): StatusError {
  return refusal("STORE_UNAVAILABLE", message, { retryAfterMs });
}
