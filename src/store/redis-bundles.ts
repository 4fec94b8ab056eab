import { createHash } from "node:crypto";
import type { Redis } from "ioredis";
import type { Clock, Random } from "../clock/clock.ts";
import { type BundleFile, digestOf, hexOf } from "../core/bundle.ts";
import { refusal, type StatusError } from "../core/errors.ts";
import type { Log } from "../log/log.ts";
import { isListOf, manifestText, readManifest } from "../program/bundle-manifest.ts";
import { type BundleStore, type BundleUpload, type CreatedBundle, type SweptBundles, unneededMs } from "./bundle-store.ts";
import { commandConnection, disconnect, type RedisAddress } from "./redis-connection.ts";
import { RedisHealth, troubleOf } from "./redis-health.ts";
import { evaluate, type Script, scripts } from "./scripts.ts";
import { wholeContent } from "./whole-content.ts";

const MiB = 2 ** 20;
/** All of it is in the memory of Redis. */
const bounds = { filesMax: 10_000, fileBytesMax: 64 * MiB, bundleBytesMax: 256 * MiB };
/** The most bytes of one item of a file's list. */
const chunkBytes = 256 * 1_024;
/** How long an upload is kept to which nothing is added. */
const uploadSeconds = 3_600;
/** Digests in one command. */
const askedMax = 1_000;
const idLength = 16;

export type RedisBundlesOptions = RedisAddress & {
  /** As that of the state. Default: `{drover}:`. */
  readonly prefix?: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
};

type Stored = "file" | "bundle";

/**
 * Bundles in Redis, for controllers that share no disk. A file is a list of chunks. The connection is
 * its own, so that a commit of the state does not wait behind a large file.
 */
export async function openRedisBundles(options: RedisBundlesOptions): Promise<BundleStore> {
  const health = new RedisHealth(options.log);
  const redis = commandConnection(options, health, options.log);
  await redis.connect().catch(() => {}); // it connects again by itself
  return new RedisBundles(redis, health, options);
}

class RedisBundles implements BundleStore {
  readonly bounds = bounds;
  readonly #redis: Redis;
  readonly #health: RedisHealth;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #prefix: string;
  /** This store among those of one Redis. */
  readonly #id: string;
  /** Since when this process has seen something unneeded, by its kind and SHA-256. */
  readonly #unneededSinceMs = new Map<string, number>();

  constructor(redis: Redis, health: RedisHealth, { prefix = "{drover}:", clock, random }: RedisBundlesOptions) {
    this.#redis = redis;
    this.#health = health;
    this.#clock = clock;
    this.#random = random;
    this.#id = random.id(idLength);
    this.#prefix = `${prefix}bundles:`;
  }

  async missingFiles(sha256s: readonly string[]): Promise<readonly string[]> {
    const missing: string[] = [];
    const asked = [...new Set(sha256s)];
    for (let at = 0; at < asked.length; at += askedMax) {
      const some = asked.slice(at, at + askedMax);
      // The use is noted first: what is still there then cannot be dropped.
      await this.#try(() => this.#redis.srem(this.#key("unneeded"), ...some.map((sha256) => `file ${sha256}`)));
      const kept = await this.#try(() => this.#redis.smismember(this.#key("files"), some));
      missing.push(...some.filter((_, index) => kept[index] === 0));
    }
    return missing;
  }

  async openUpload(): Promise<BundleUpload> {
    const id = this.#random.id(idLength);
    const place = (sha256: string) => this.#key(`upload:${id}:${sha256}`);
    const redis = this.#redis;
    const sizes = new Map<string, number>();
    let current = "";
    const append = (data: Uint8Array) =>
      this.#storing(async () => {
        const results = await redis
          .pipeline()
          .rpush(place(current), Buffer.from(data.buffer, data.byteOffset, data.byteLength))
          .expire(place(current), uploadSeconds)
          .exec();
        for (const [error] of results ?? []) if (error) throw error;
      });
    return {
      begin: async ({ sha256, sizeBytes }) => {
        current = sha256;
        await this.#storing(() => redis.unlink(place(sha256)));
        sizes.set(sha256, sizeBytes);
        if (sizeBytes === 0) await append(new Uint8Array()); // a list has at least one item
      },
      write: async (data) => {
        for (let at = 0; at < data.length; at += chunkBytes) await append(data.subarray(at, at + chunkBytes));
      },
      commit: async () => {
        const all = [...sizes];
        for (let at = 0; at < all.length; at += askedMax) {
          const some = all.slice(at, at + askedMax);
          const keys = [
            this.#key("files"),
            this.#key("unneeded"),
            this.#key("sizes"),
            ...some.flatMap(([sha256]) => [place(sha256), this.#place("file", sha256)]),
          ];
          const [isKept, sha256] = (await this.#run(scripts.commitFiles, keys, some.flat().map(String))) as [number, string?];
          if (isKept === 0) throw refusal("STORE_UNAVAILABLE", `the upload of ${sha256} is gone: send the files again`);
        }
        sizes.clear();
      },
      abort: async () => {
        const left = [...sizes.keys()];
        sizes.clear();
        // What cannot be removed now expires.
        if (left.length > 0) await redis.unlink(...left.map(place)).catch(() => {});
      },
    };
  }

  async createBundle(files: readonly BundleFile[]): Promise<CreatedBundle> {
    const text = manifestText(files);
    const hex = createHash("sha256").update(text).digest("hex");
    const keys = [this.#key("files"), this.#key("unneeded"), this.#key("bundles"), this.#place("bundle", hex), this.#key("sizes")];
    const sizes = new Map(files.map(({ sha256, sizeBytes }) => [sha256, String(sizeBytes)]));
    const answer = await this.#run(scripts.createBundle, keys, [hex, text, ...[...sizes].flat()]);
    const [kind, ...found] = answer as readonly string[];
    if (kind === "missing") return { kind, sha256s: found };
    if (kind === "otherSize") return { kind, sha256: found[0] ?? "", sizeBytes: Number(found[1]) };
    return { kind: "created", digest: digestOf(hex) };
  }

  async useBundle(digest: string): Promise<boolean> {
    const hex = hexOf(digest);
    await this.#try(() => this.#redis.srem(this.#key("unneeded"), `bundle ${hex}`));
    return (await this.#try(() => this.#redis.sismember(this.#key("bundles"), hex))) === 1;
  }

  async bundle(digest: string): Promise<readonly BundleFile[] | undefined> {
    const text = await this.#try(() => this.#redis.get(this.#place("bundle", hexOf(digest))));
    if (text === null) return undefined;
    if (isListOf(text, digest)) return readManifest(text);
    await this.#forget("bundle", "bundles", hexOf(digest));
    return undefined;
  }

  async *readFile(sha256: string, signal: AbortSignal): AsyncIterable<Uint8Array> {
    yield* wholeContent(sha256, this.#chunksOf(sha256, signal), () => this.#forget("file", "files", sha256));
  }

  async *#chunksOf(sha256: string, signal: AbortSignal): AsyncGenerator<Uint8Array, void> {
    const place = this.#place("file", sha256);
    const chunks = await this.#try(() => this.#redis.llen(place));
    for (let index = 0; index < chunks; index++) {
      signal.throwIfAborted();
      const data = await this.#try(() => this.#redis.lindexBuffer(place, index));
      if (data !== null && data.length > 0) yield data;
    }
  }

  /** Drops what is not whole, so that it is missing and can be sent again. */
  async #forget(kind: Stored, set: string, hex: string): Promise<void> {
    const forgotten = this.#redis
      .multi()
      .srem(this.#key(set), hex)
      .hdel(this.#key("sizes"), `${kind} ${hex}`)
      .unlink(this.#place(kind, hex));
    await this.#try(() => forgotten.exec());
  }

  async sweep(needed: ReadonlySet<string>): Promise<SweptBundles> {
    // What another controller has swept since says nothing of when this one saw it used.
    const former = await this.#try(() => this.#redis.getset(this.#key("sweeper"), this.#id));
    if (former !== this.#id) this.#unneededSinceMs.clear();
    const bundles = await this.#drop("bundle", "bundles", (hex) => needed.has(digestOf(hex)));
    const inUse = new Set<string>();
    for (const hex of await this.#try(() => this.#redis.smembers(this.#key("bundles"))))
      for (const { sha256 } of (await this.bundle(digestOf(hex))) ?? []) inUse.add(sha256);
    const files = await this.#drop("file", "files", (sha256) => inUse.has(sha256));
    return { bundles, files };
  }

  async close(): Promise<void> {
    await disconnect(this.#redis);
  }

  async #drop(kind: Stored, set: string, isNeeded: (hex: string) => boolean): Promise<number> {
    const all = await this.#try(() => this.#redis.smembers(this.#key(set)));
    let dropped = 0;
    for (let at = 0; at < all.length; at += askedMax) {
      const some = all.slice(at, at + askedMax);
      const noted = await this.#try(() =>
        this.#redis.smismember(
          this.#key("unneeded"),
          some.map((hex) => `${kind} ${hex}`),
        ),
      );
      const old: string[] = [];
      const fresh: string[] = [];
      const used: string[] = [];
      for (const [index, hex] of some.entries()) {
        const note = `${kind} ${hex}`;
        const since = noted[index] === 1 ? this.#unneededSinceMs.get(note) : undefined;
        if (isNeeded(hex)) used.push(note);
        else if (since === undefined) fresh.push(note);
        else if (this.#clock.nowMs() - since >= unneededMs) old.push(hex);
      }
      for (const note of [...used, ...old.map((hex) => `${kind} ${hex}`)]) this.#unneededSinceMs.delete(note);
      for (const note of fresh) this.#unneededSinceMs.set(note, this.#clock.nowMs());
      if (used.length > 0) await this.#try(() => this.#redis.srem(this.#key("unneeded"), ...used));
      if (fresh.length > 0) await this.#try(() => this.#redis.sadd(this.#key("unneeded"), ...fresh));
      if (old.length === 0) continue;
      const keys = [this.#key("unneeded"), this.#key(set), this.#key("sizes"), ...old.map((hex) => this.#place(kind, hex))];
      dropped += (await this.#run(scripts.dropUnneeded, keys, [`${kind} `, ...old])) as number;
    }
    return dropped;
  }

  #key(name: string): string {
    return this.#prefix + name;
  }

  #place(kind: Stored, hex: string): string {
    return this.#key(`${kind}:${hex}`);
  }

  #run(script: Script, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    return this.#storing(() => evaluate(this.#redis, script, keys, args));
  }

  /** Runs a command that stores. A Redis whose memory is full is refused as such. */
  async #storing<T>(command: () => Promise<T>): Promise<T> {
    return this.#try(command, (error) =>
      troubleOf(error)?.kind === "memoryFull"
        ? refusal("STORAGE_FULL", "the memory of Redis is full: give it more (maxmemory), and send the files again")
        : undefined,
    );
  }

  async #try<T>(command: () => Promise<T>, refusalOf?: (error: unknown) => StatusError | undefined): Promise<T> {
    try {
      const answer = await command();
      this.#health.succeeded("wrote");
      return answer;
    } catch (error) {
      throw refusalOf?.(error) ?? this.#health.failed(error);
    }
  }
}
