import { realpath } from "node:fs/promises";
import type { Redis } from "ioredis";
import { commandTimeoutMs, disposableConnection } from "./redis-connection.ts";
import { parseInfo } from "./requirements.ts";

/** A server that answers at a socket. `client` stays connected as long as the server runs. */
export interface Probe {
  readonly client: Redis;
  readonly pid: number;
  /** The folder of its data. */
  readonly dir: string;
  /** Whether it still reads its data, and answers no commands. */
  readonly loading: boolean;
}

/**
 * Finds the server at a unix socket. Undefined: nothing listens there. Fails if something listens
 * and does not answer.
 */
export async function probe(socketPath: string): Promise<Probe | undefined> {
  const client = disposableConnection({ socketPath }, { commandTimeout: commandTimeoutMs });
  let absent = false;
  client.on("error", (error: NodeJS.ErrnoException) => {
    absent ||= error.code === "ENOENT" || error.code === "ECONNREFUSED";
  });
  try {
    await client.connect();
    const facts = parseInfo(await client.info());
    const [, dir = ""] = (await client.config("GET", "dir")) as string[];
    return { client, pid: Number(facts.get("process_id")), dir: await realpath(dir), loading: facts.get("loading") === "1" };
  } catch (error) {
    client.disconnect();
    if (absent) return undefined;
    throw error;
  }
}
