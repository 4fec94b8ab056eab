import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Clock, Random } from "../clock/clock.ts";
import { printAddress } from "../config/address.ts";
import type { Config } from "../config/config.ts";
import { prepareSocketFolder, socketPath } from "../engine/local/socket-path.ts";
import type { Log } from "../log/log.ts";
import type { BundleStore } from "../store/bundle-store.ts";
import { openFolderBundles } from "../store/folder-bundles.ts";
import { Mirror } from "../store/mirror.ts";
import { startPrivateRedis } from "../store/private-redis.ts";
import { openRedisBundles } from "../store/redis-bundles.ts";
import type { RedisAddress } from "../store/redis-connection.ts";
import { openRedisStore } from "../store/redis-store.ts";
import { contentOfSnapshot, Snapshots } from "../store/snapshots.ts";
import type { Store } from "../store/store.ts";
import { type Closable, type Closers, openAll } from "./closers.ts";
import { HeldClaim } from "./engine-claim.ts";

const idLength = 12;

export interface StorageParts {
  readonly config: Pick<Config, "api" | "gateway" | "dataDir" | "redisUrl" | "redisServer" | "bundles">;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** The store, and this controller's copy of the state. */
export interface Storage extends Closable {
  readonly store: Store;
  readonly mirror: Mirror;
  /** The programs' files. */
  readonly bundles: BundleStore;
  /** That no other controller uses the same Redis. */
  readonly claim: HeldClaim;
  /** This controller's id among those of the same store. */
  readonly id: string;
  /** The address of Redis: a URL, or `unix:/path`. */
  readonly address: string;
}

/** Connects to Redis, or starts a private one, and reads the state. */
export function openStorage({ config, clock, random, log }: StorageParts): Promise<Storage> {
  return openAll(log, async (closers) => {
    const redis = await openRedis({ config, clock, log }, closers);
    const whenEmpty = () => contentOfSnapshot(config.dataDir, log);
    const store = await openRedisStore({ ...redis, whenEmpty, clock, log });
    closers.add(() => store.close());
    // Before anything is read or written: another controller may use this Redis.
    const claim = await HeldClaim.open({
      ...{ store, dataDir: config.dataDir, clock, log },
      config: { api: printAddress(config.api), gateway: printAddress(config.gateway) },
    });
    closers.add(() => claim.close());
    const mirror = await Mirror.open({ store, clock, log });
    closers.add(() => mirror.close());
    const snapshots = new Snapshots({ dataDir: config.dataDir, store, mirror, clock, log });
    closers.add(() => snapshots.close());
    const folder = join(config.dataDir, "bundles");
    const bundles = await (config.bundles === "redis"
      ? openRedisBundles({ ...redis, clock, random, log })
      : openFolderBundles({ folder, clock }));
    closers.add(() => bundles.close());
    const id = await takeOverId(config.dataDir, store, random);
    return { store, mirror, bundles, id, claim, address: redis.url ?? `unix:${redis.socketPath}` };
  });
}

/**
 * A new id for this controller. The folder's lock proves that the former controller has ended, so
 * its lease is released instead of waiting until it expires.
 */
async function takeOverId(dataDir: string, store: Store, random: Random): Promise<string> {
  const file = join(dataDir, "controller.id");
  const former = await readFile(file, "utf8").catch(() => "");
  if (former !== "") await store.releaseLease(former);
  const id = random.id(idLength);
  await writeFile(file, id);
  return id;
}

async function openRedis({ config, clock, log }: Omit<StorageParts, "random">, closers: Closers): Promise<RedisAddress> {
  const unix = "unix:";
  if (config.redisUrl?.startsWith(unix)) return { socketPath: config.redisUrl.slice(unix.length).replace(/^\/\/(?=\/)/, "") };
  if (config.redisUrl !== undefined) return { url: config.redisUrl };
  const dataDir = join(config.dataDir, "redis");
  const path = socketPath(config.dataDir, join(dataDir, "redis.sock"));
  await prepareSocketFolder(path);
  const binary = config.redisServer === undefined ? {} : { binary: config.redisServer };
  const redis = await startPrivateRedis({ dataDir, socketPath: path, ...binary, clock, log });
  closers.add(() => redis.close());
  return { socketPath: redis.socketPath };
}
