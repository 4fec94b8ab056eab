import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { realClock } from "../../src/clock/real.ts";
import { silentLog } from "../../src/log/log.ts";
import { type PrivateRedis, startPrivateRedis } from "../../src/store/private-redis.ts";
import { openRedisStore, type RedisStoreOptions } from "../../src/store/redis-store.ts";
import type { Store } from "../../src/store/store.ts";

export interface TestRedis {
  /** The server that runs now. */
  readonly server: PrivateRedis;
  /** The server's folder; it goes with `close`. */
  readonly dir: string;
  /** A store with keys of its own, or with those of `prefix`. */
  store(
    prefix?: string,
    options?: Partial<Pick<RedisStoreOptions, "changesKept" | "changesBytesMax" | "answersBytesMax" | "log">>,
  ): Promise<Store>;
  /** Starts the server again, with the same data at the same socket, after a test closed it. */
  restart(): Promise<void>;
  /** Closes the stores and the server. */
  close(): Promise<void>;
}

/** A redis-server for a test file, in a folder of its own. */
export async function startTestRedis(): Promise<TestRedis> {
  const dir = await mkdtemp(join(tmpdir(), "drover-redis-"));
  const socketPath = join(dir, "s");
  const start = () => startPrivateRedis({ dataDir: join(dir, "data"), socketPath, clock: realClock, log: silentLog });
  let server = await start();
  const stores: Store[] = [];
  return {
    get server() {
      return server;
    },
    dir,
    async store(prefix = `{test-${stores.length}}:`, options = {}) {
      const store = await openRedisStore({ socketPath, prefix, clock: realClock, log: silentLog, ...options });
      stores.push(store);
      return store;
    },
    async restart() {
      server = await start();
    },
    async close() {
      await Promise.all(stores.map((store) => store.close()));
      await server.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
