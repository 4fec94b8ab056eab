import { Redis, type RedisOptions } from "ioredis";
import type { Log } from "../log/log.ts";
import type { RedisHealth } from "./redis-health.ts";

/** The longest time for a command. */
export const commandTimeoutMs = 2_000;
/** The longest time to connect. */
const connectTimeoutMs = 2_000;
/**
 * The longest time without a byte while answers are due. Then the connection is closed and opened
 * again.
 */
const silenceTimeoutMs = 2 * commandTimeoutMs;
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
export function commandConnection(address: RedisAddress, health: RedisHealth, log: Log): Redis {
  const redis = connection(address, {
    enableOfflineQueue: false,
    // Commands are sent at once, so that Redis itself says that it still loads or wants a password.
    enableReadyCheck: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    commandTimeout: commandTimeoutMs,
    socketTimeout: silenceTimeoutMs,
    retryStrategy: (attempt) => Math.min(25 * 2 ** Math.min(attempt, 10), reconnectMaxMs),
    // After a failover the old primary refuses writes: reconnect, to find the new one.
    reconnectOnError: (error) => error.message.startsWith("READONLY"),
  });
  redis.on("error", (error: Error) => {
    log.debug({ err: error }, "redis connection");
    health.disconnected(error);
  });
  redis.on("ready", () => health.connected());
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
