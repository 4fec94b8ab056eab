import { realpath } from "node:fs/promises";
import type { Redis } from "ioredis";
import { commandTimeoutMs, disposableConnection } from "./redis-connection.ts";
import { parseInfo } from "./requirements.ts";

/** A server that answers at a socket; `client` stays connected as long as it lives. */
export interface Probe {
  readonly client: Redis;
  readonly pid: number;
  /** The folder it keeps its data in. */
  readonly dir: string;
  /** It is still reading its data and answers no commands. */
  readonly loading: boolean;
}

/** Looks who answers at a unix socket; undefined: nobody. Fails if somebody is there who does not answer. */
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
