import type { Redis } from "ioredis";
import { refusal } from "../core/errors.ts";
import type { Json } from "../core/json.ts";
import { ContentCache, digestsIn, joined } from "./contents.ts";
import type { StoredJson } from "./redis-forms.ts";

/** Contents that are read from Redis at once. */
const contentsPerRead = 16;
/** How often a read is repeated because a content was dropped after what refers to it was read. */
const readsMax = 10;

/** Reads contents from Redis. Equal contents in use are one value. */
export class RedisContents {
  readonly #redis: Redis;
  readonly #key: string;
  readonly #cache = new ContentCache();

  /** `key`: of the hash of contents. */
  constructor(redis: Redis, key: string) {
    this.#redis = redis;
    this.#key = key;
  }

  /**
   * What `read` returns, and each of its `parts` as a whole. Reads again where a content was
   * dropped in between: then what referred to it has been replaced, too.
   */
  async readWhole<A, T>(read: () => Promise<A>, parts: (answer: A) => readonly StoredJson[]): Promise<readonly [A, readonly T[]]> {
    for (let reads = 0; reads < readsMax; reads++) {
      const answer = await read();
      const stored = parts(answer);
      const contents = await this.#contentsOf(stored);
      const whole = stored.map(({ json, references }) => joined<T>(json, references, contents));
      if (whole.every((one) => one !== undefined)) return [answer, whole as readonly T[]];
    }
    throw refusal(
      "STORE_UNAVAILABLE",
      `values that records refer to are not in Redis at ${this.#key}: restore its data, or delete the deployments`,
      { retryAfterMs: 1_000 },
    );
  }

  async #contentsOf(stored: readonly StoredJson[]): Promise<ReadonlyMap<string, Json>> {
    const found = new Map<string, Json>();
    const unknown: string[] = [];
    for (const digest of new Set(stored.flatMap(({ references }) => digestsIn(references)))) {
      const value = this.#cache.get(digest);
      if (value === undefined) unknown.push(digest);
      else found.set(digest, value);
    }
    for (let first = 0; first < unknown.length; first += contentsPerRead) {
      const some = unknown.slice(first, first + contentsPerRead);
      for (const [index, json] of (await this.#redis.hmget(this.#key, ...some)).entries()) {
        const digest = some[index] as string;
        if (json !== null) found.set(digest, this.#cache.get(digest) ?? this.#cache.read(digest, json));
      }
    }
    return found;
  }

  async size(): Promise<{ readonly contents: number; readonly contentsBytes: number }> {
    const digests = await this.#redis.hkeys(this.#key);
    const lengths = await Promise.all(digests.map((digest) => this.#redis.hstrlen(this.#key, digest)));
    return { contents: digests.length, contentsBytes: lengths.reduce((sum, bytes) => sum + bytes, 0) };
  }
}
