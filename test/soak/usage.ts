import { readdirSync, readFileSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { Redis } from "ioredis";
import { memoryOf } from "../../bench/process-facts.ts";
import type { Drover } from "../e2e/drover.ts";

/** What a controller and all that it has started use. */
export interface Usage {
  /** Resident memory of the controller, bytes. */
  readonly controllerBytes: number;
  /** Resident memory of its Redis, bytes. */
  readonly redisBytes: number;
  /** What Redis says that its data takes, bytes. */
  readonly dataBytes: number;
  /** The names of the keys in Redis, sorted. */
  readonly keys: readonly string[];
  /** Files that the controller has open, sockets included. */
  readonly files: number;
  /** The controller, its Redis and its replicas. */
  readonly processes: number;
  /** Folders of replicas. */
  readonly folders: number;
  /** Sizes of all logs in the data folder, bytes. */
  readonly logBytes: number;
}

export async function usageOf({ dataDir, addresses }: Drover): Promise<Usage> {
  const redis = new Redis(addresses.redis.replace(/^unix:(?:\/\/(?=\/))?/, ""), { lazyConnect: true });
  try {
    await redis.connect();
    const info = await redis.info();
    const number = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, "m").exec(info)?.[1]);
    return {
      controllerBytes: memoryOf(addresses.pid).resident,
      redisBytes: memoryOf(number("process_id")).resident,
      dataBytes: number("used_memory"),
      keys: (await redis.keys("*")).toSorted(),
      files: readdirSync(`/proc/${addresses.pid}/fd`).length,
      processes: processesOf(dataDir),
      folders: (await readdir(join(dataDir, "replicas")).catch(() => [])).length,
      logBytes: await bytesOfLogs(dataDir),
    };
  } finally {
    redis.disconnect();
  }
}

/** Processes whose command line or environment names the data folder. */
function processesOf(dataDir: string): number {
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return false;
    try {
      return ["cmdline", "environ"].some((file) => readFileSync(`/proc/${pid}/${file}`, "latin1").includes(dataDir));
    } catch {
      return false; // it has ended, or is another user's
    }
  }).length;
}

async function bytesOfLogs(dataDir: string): Promise<number> {
  const files = await readdir(dataDir, { recursive: true }).catch(() => []);
  const sizes = await Promise.all(
    files
      .filter((file) => file.endsWith(".log"))
      .map((file) =>
        stat(join(dataDir, file)).then(
          ({ size }) => size,
          () => 0, // its replica was removed
        ),
      ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
