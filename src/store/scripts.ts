import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Redis } from "ioredis";

/** A Lua script. The head of its file describes its arguments and its answer. */
export interface Script {
  readonly text: string;
  readonly sha: string;
}

function load(name: string): Script {
  const text = readFileSync(new URL(`./scripts/${name}.lua`, import.meta.url), "utf8");
  return { text, sha: createHash("sha1").update(text).digest("hex") };
}

export const scripts = {
  commit: load("commit"),
  readChanges: load("read-changes"),
  list: load("list"),
  fill: load("fill"),
  acquireLease: load("acquire-lease"),
  releaseLease: load("release-lease"),
  claim: load("claim"),
  unclaim: load("unclaim"),
  announce: load("announce"),
  controllers: load("controllers"),
  commitFiles: load("commit-files"),
  createBundle: load("create-bundle"),
  dropUnneeded: load("drop-unneeded"),
} as const;

/**
 * Runs a script by its digest. Redis forgets scripts when it restarts or fails over; then the whole
 * script is sent.
 */
export async function evaluate(
  redis: Redis,
  script: Script,
  keys: readonly string[],
  args: readonly (string | number)[],
): Promise<unknown> {
  try {
    return await redis.evalsha(script.sha, keys.length, ...keys, ...args);
  } catch (error) {
    if (!(error instanceof Error && error.message.startsWith("NOSCRIPT"))) throw error;
    return await redis.eval(script.text, keys.length, ...keys, ...args);
  }
}
