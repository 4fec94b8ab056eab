import type { Redis } from "ioredis";
import { type Pace, pacing } from "../clock/breathe.ts";
import type { Clock } from "../clock/clock.ts";
import type { Json } from "../core/json.ts";
import type { StoreTrouble } from "../core/store-trouble.ts";
import type { Log } from "../log/log.ts";
import { answersBytesMax, batchMax, changesBytesMax, changesKept, pageMax, requestTtlMs } from "./bounds.ts";

import { type Content, type Parts, splitInParts } from "./contents.ts";
import { LatestAnswers } from "./latest-answers.ts";
import { commandConnection, disconnect, type RedisAddress } from "./redis-connection.ts";

import { RedisContents } from "./redis-contents.ts";
import { type FillKeys, fillRedis } from "./redis-fill.ts";
import { pairs, partsOf, type StoredObject, storedChange } from "./redis-forms.ts";
import { RedisHealth } from "./redis-health.ts";
import { reach } from "./redis-reach.ts";
import { ChangeWaiters } from "./redis-waiters.ts";
import { judgeServer } from "./requirements.ts";
import { evaluate, type Script, scripts } from "./scripts.ts";
import {
  type ChangeBatch,
  type ClaimResult,
  type CommitOptions,
  type CommitResult,
  type ControllerInfo,
  type EngineClaim,
  type Entry,
  type FillResult,
  type Kind,
  kindOf,
  kinds,
  type LeaseAnswer,
  noContent,
  ownerOf,
  type Records,
  type RequestAnswer,
  type StateChange,
  type Store,
  type StoreContent,
  type StoreSize,
  type Write,
} from "./store.ts";
import { UnreadWrites } from "./unread-writes.ts";
import { upgraded } from "./upgrade.ts";

/**
 * The key of the position. It keeps its first name, so that data folders of version 0.1.0 can be
 * read.
 */
const positionKey = "revision";

export type RedisStoreOptions = RedisAddress & {
  /** A prefix of every key. Its `{…}` keeps all keys in one hash slot. Default: `{drover}:`. */
  readonly prefix?: string;
  /** How many changes are kept for watchers. Default: {@link changesKept}. */
  readonly changesKept?: number;
  /** Default: {@link changesBytesMax}. */
  readonly changesBytesMax?: number;
  /** Default: {@link answersBytesMax}. */
  readonly answersBytesMax?: number;
  /** What a Redis without any data is filled with. Default, and if undefined: nothing. */
  readonly whenEmpty?: () => Promise<StoreContent | undefined>;
  readonly clock: Clock;
  readonly log: Log;
};

/**
 * Connects to Redis. If Redis cannot be reached or used, fails with an Error that says what to do.
 */
export async function openRedisStore(options: RedisStoreOptions): Promise<Store> {
  const health = new RedisHealth(options.log);
  const redis = commandConnection(options, health, options.log);
  try {
    const { refusals, warnings } = judgeServer(await reach(redis, options));
    if (refusals.length > 0) throw new Error(refusals.join("\n"));
    for (const warning of warnings) options.log.warn(warning);
  } catch (error) {
    redis.disconnect();
    throw error;
  }
  const store = new RedisStore(redis, health, options);
  try {
    await store.begin(options.whenEmpty);
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}

class RedisStore implements Store {
  readonly #redis: Redis;
  readonly #health: RedisHealth;
  readonly #waiters: ChangeWaiters;
  readonly #clock: Clock;
  readonly #prefix: string;
  readonly #contents: RedisContents;
  /** How many changes to keep, their most bytes, and the most bytes of answers. */
  readonly #bounds: readonly number[];
  /**
   * The last change that was read, and when it was made: another time at the same position means
   * another history.
   */
  #seen: { readonly position: number; readonly at: string } | undefined;
  readonly #answers = new LatestAnswers();
  readonly #unread = new UnreadWrites();

  constructor(redis: Redis, health: RedisHealth, options: RedisStoreOptions) {
    this.#redis = redis;
    this.#health = health;
    this.#clock = options.clock;
    this.#prefix = options.prefix ?? "{drover}:";
    this.#bounds = [
      options.changesKept ?? changesKept,
      options.changesBytesMax ?? changesBytesMax,
      options.answersBytesMax ?? answersBytesMax,
    ];
    this.#contents = new RedisContents(redis, this.#key("contents"));
    this.#waiters = new ChangeWaiters(options, this.#key("changes"), health, options.clock);
  }

  get trouble(): StoreTrouble | undefined {
    return this.#health.trouble;
  }

  /** Fills a Redis without any data. */
  async begin(whenEmpty: RedisStoreOptions["whenEmpty"]): Promise<void> {
    const position = await this.#try(() => this.#redis.get(this.#key(positionKey)));
    if (position === null) await this.fill((await whenEmpty?.()) ?? noContent);
  }

  async fill(content: StoreContent, lease?: { readonly holder: string; readonly ttlMs: number }): Promise<FillResult> {
    const whole = this.#unread.over(content);
    const nowMs = this.#clock.nowMs();
    const result = await this.#try(() => fillRedis({ redis: this.#redis, keys: this.#keys, content: whole, lease, nowMs }));
    if (result.kind === "kept") return result;
    this.#health.succeeded("wrote");
    // The new history has no changes yet, so none of them can be of another time.
    this.#seen = { position: whole.position, at: "" };
    return result;
  }

  answers(): readonly RequestAnswer[] {
    return this.#answers.at(this.#clock.nowMs());
  }

  async get<K extends Kind>(kind: K, key: string): Promise<Entry<K> | undefined> {
    const read = async () => {
      const kept = await this.#redis.hget(this.#objects(kind), key);
      return kept === null ? undefined : partsOf(kept);
    };
    return await this.#try(async () => {
      const [kept, value] = await this.#contents.readWhole<StoredObject | undefined, Records[K]>(read, (one) => (one ? [one] : []));
      return kept && { key, version: kept.version, value: upgraded(kind, value[0] as Records[K]) };
    });
  }

  async list<K extends Kind>(kind: K, page: { readonly after?: string; readonly limit: number }) {
    const keys = [this.#key(positionKey), this.#objects(kind), this.#index(kind)];
    const from = page.after === undefined ? "-" : `(${page.after}`;
    const read = async () => {
      const answer = await evaluate(this.#redis, scripts.list, keys, [from, Math.min(page.limit, pageMax)]);
      const [position, more, ...flat] = this.#filled(answer as Filled<[number, number, ...string[]]>, "read");
      return { position, more: more === 1, kept: pairs(flat).map(([key, kept]) => ({ key, ...partsOf(kept) })) };
    };
    return await this.#try(async () => {
      const [{ position, more, kept }, values] = await this.#contents.readWhole<Awaited<ReturnType<typeof read>>, Records[K]>(
        read,
        ({ kept }) => kept,
      );
      const entries = kept.map(({ key, version }, i): Entry<K> => ({ key, version, value: upgraded(kind, values[i] as Records[K]) }));
      return { entries, position, more };
    });
  }

  async position(): Promise<number> {
    const position = await this.#try(() => this.#redis.get(this.#key(positionKey)));
    return Number(this.#filled(position === null ? ["empty"] : [position], "read")[0]);
  }

  async commit(writes: readonly Write[], options: CommitOptions = {}): Promise<CommitResult> {
    const { epoch, request, unchanged = [] } = options;
    const keys = ["changes", "lease", "contents", "holds", "bytes", "answers"].map((name) => this.#key(name));
    keys.unshift(this.#key(positionKey));
    for (const kind of kinds) keys.push(this.#objects(kind), this.#index(kind));
    if (request) keys.push(this.#request(request.id));
    const pace = pacing(() => this.#clock.nowMs());
    const answer = request && (await splitInParts(request.answer, pace));
    const replaces = request?.replaces === undefined ? undefined : await splitInParts(request.replaces, pace);
    const written: { readonly write: Write; readonly parts: Parts | undefined }[] = [];
    for (const write of writes) written.push({ write, parts: "put" in write ? await splitInParts(write.value, pace) : undefined });
    const args = [
      ...[epoch ?? "", request?.fingerprint ?? "", answer?.json ?? "", answer?.references ?? ""],
      ...[replaces?.json ?? "", replaces?.references ?? "", request?.id ?? "", this.#request(""), requestTtlMs],
      ...this.#bounds,
    ];
    const writeArguments = [...unchanged.flatMap(checkArgs), ...written.flatMap(({ write, parts }) => writeArgs(write, parts))];
    const run = async (contents: readonly (string | number)[]) =>
      this.#filled(
        (await this.#run(scripts.commit, keys, [...args, contents.length / 2, ...contents, ...writeArguments])) as Filled<CommitAnswer>,
        "wrote",
      );
    let result = await run([]);
    // Redis has most contents already, so they are sent only if it asks for them.
    if (result[0] === "missing") result = await run(await contentArgs([answer, ...written.map(({ parts }) => parts)], pace));
    switch (result[0]) {
      case "committed": {
        const [, before] = result;
        const positions = writes.map((_, i) => before + i + 1);
        this.#unread.add(writes, positions);
        if (request && answer) this.#answers.add({ ...request, expiresAtMs: this.#clock.nowMs() + requestTtlMs }, answer);
        return { kind: "committed", positions };
      }
      case "conflict":
        return { kind: "conflict", key: result[1], found: result[2] };
      case "fenced":
        return { kind: "fenced", epoch: result[1] };
      case "replayed":
        // The answer may expire before it is read: then the request is a new one.
        return (await this.recall(request?.id ?? "", request?.fingerprint ?? "")) ?? (await this.commit(writes, options));
      case "reused":
        return { kind: "reused" };
      case "missing":
        throw new Error("Redis asks for contents that it was given");
    }
  }

  async recall(requestId: string, fingerprint: string): Promise<CommitResult | undefined> {
    const read = async () => {
      const [known, json, references] = await this.#redis.hmget(this.#request(requestId), "fingerprint", "answer", "contents");
      return known == null || json == null ? undefined : { known, json, references: references ?? "" };
    };
    return await this.#try(async () => {
      const [kept, [answer]] = await this.#contents.readWhole<Awaited<ReturnType<typeof read>>, Json>(read, (one) => (one ? [one] : []));
      if (kept === undefined) return undefined;
      return kept.known === fingerprint ? { kind: "replayed", answer: answer as Json } : { kind: "reused" };
    });
  }

  async changes(after: number, waitMs: number, signal: AbortSignal): Promise<ChangeBatch> {
    const batch = await this.#readChanges(after);
    if (batch.kind === "lost" || batch.changes.length > 0 || waitMs <= 0 || signal.aborted) return batch;
    await this.#waiters.wait(after, waitMs, signal);
    return signal.aborted ? batch : await this.#readChanges(after);
  }

  async #readChanges(after: number): Promise<ChangeBatch> {
    const at = this.#seen?.position === after ? this.#seen.at : "";
    const keys = [this.#key(positionKey), this.#key("changes")];
    this.#unread.readUpTo(after);
    const read = async () => {
      const found = await evaluate(this.#redis, scripts.readChanges, keys, [after, at, batchMax]);
      const answer = this.#filled(found as Filled<ChangesAnswer>, "read");
      return answer[0] === "lost" ? answer : { changes: answer[1].map(([id, fields]) => storedChange(id, fields)), at: answer[2] };
    };
    return await this.#try(async () => {
      const [found, values] = await this.#contents.readWhole<Awaited<ReturnType<typeof read>>, Records[Kind]>(read, (answer) =>
        "changes" in answer ? answer.changes.flatMap(({ stored }) => stored ?? []) : [],
      );
      if (!("changes" in found)) {
        this.#seen = undefined;
        return { kind: "lost", position: found[1], rewound: found[2] === 1 };
      }
      const next = values[Symbol.iterator]();
      const changes = found.changes.map(({ position, kind, key, stored }): StateChange => {
        const value = stored === undefined ? undefined : upgraded(kind, next.next().value as Records[Kind]);
        return { position, kind, key, value };
      });
      const last = found.changes.at(-1);
      this.#seen = last ? { position: last.position, at: last.at } : { position: after, at: found.at };
      return { kind: "changes", changes };
    });
  }

  async acquireLease(holder: string, ttlMs: number): Promise<LeaseAnswer> {
    const keys = [this.#key("lease"), this.#key("epoch"), this.#key(positionKey)];
    const answer = this.#filled((await this.#run(scripts.acquireLease, keys, [holder, ttlMs])) as Filled<LeaseReply>, "wrote");
    return answer[0] === 1
      ? { held: true, epoch: answer[1] }
      : { held: false, holder: answer[1], epoch: answer[3], remainingMs: answer[2] };
  }

  async releaseLease(holder: string): Promise<void> {
    await this.#run(scripts.releaseLease, [this.#key("lease")], [holder]);
  }

  async claim(claim: EngineClaim, ttlMs: number): Promise<ClaimResult> {
    const args = [ownerOf(claim), JSON.stringify(claim), ttlMs];
    const answer = (await this.#run(scripts.claim, [this.#key("claim")], args)) as [1] | [0, string, number];
    return answer[0] === 1 ? { kind: "claimed" } : { kind: "taken", by: JSON.parse(answer[1]), remainingMs: answer[2] };
  }

  async unclaim(claim: EngineClaim): Promise<void> {
    await this.#run(scripts.unclaim, [this.#key("claim")], [ownerOf(claim)]);
  }

  async announce(controller: ControllerInfo, ttlMs: number): Promise<void> {
    await this.#run(scripts.announce, [this.#key("controllers")], [controller.id, controller.startedAtMs, ttlMs]);
  }

  async controllers() {
    const [holder, epoch, ...flat] = (await this.#run(scripts.controllers, [this.#key("controllers"), this.#key("lease")], [])) as [
      string,
      number,
      ...string[],
    ];
    const controllers = pairs(flat).map(([id, startedAtMs]) => ({ id, startedAtMs: Number(startedAtMs) }));
    return { controllers: controllers.sort((a, b) => (a.id < b.id ? -1 : 1)), leader: holder === "" ? undefined : { id: holder, epoch } };
  }

  async size(): Promise<StoreSize> {
    return await this.#try(async () => {
      const bytes = await this.#redis.hmget(this.#key("bytes"), "c", "a");
      const [changesBytes, answersBytes] = bytes.map(Number) as [number, number];
      return { changes: await this.#redis.xlen(this.#key("changes")), changesBytes, answersBytes, ...(await this.#contents.size()) };
    });
  }

  async close(): Promise<void> {
    await Promise.all([this.#waiters.close(), disconnect(this.#redis)]);
  }

  #key(name: string): string {
    return this.#prefix + name;
  }
  #objects(kind: Kind): string {
    return this.#key(`${kind}:objects`);
  }
  #index(kind: Kind): string {
    return this.#key(`${kind}:keys`);
  }
  #request(id: string): string {
    return this.#key(`request:${id}`);
  }

  get #keys(): FillKeys {
    const objects = kinds.map((kind) => ({ kind, objects: this.#objects(kind), index: this.#index(kind) }));
    return { of: (name) => this.#key(name === "position" ? positionKey : name), objects, request: (id) => this.#request(id) };
  }

  /** The answer of a Redis that has a state. Fails if it is empty. */
  #filled<T extends readonly unknown[]>(answer: Filled<T>, how: "read" | "wrote"): T {
    if (answer[0] === "empty") throw this.#health.refused({ kind: "empty" });
    this.#health.succeeded(how);
    return answer as T;
  }

  #run(script: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    return this.#try(() => evaluate(this.#redis, script, keys, args));
  }

  async #try<T>(command: () => Promise<T>): Promise<T> {
    try {
      return await command();
    } catch (error) {
      throw this.#health.failed(error);
    }
  }
}

/** The answer of a script that needs a state. */
type Filled<T extends readonly unknown[]> = T | ["empty"];
type CommitAnswer = ["committed", number] | ["conflict", string, number] | ["fenced", number] | ["replayed"] | ["reused"] | ["missing"];
type ChangesAnswer = ["lost", number, number] | ["changes", [id: string, fields: string[]][], string];
type LeaseReply = [1, number] | [0, string, number, number];

function checkArgs({ kind, key, version }: NonNullable<CommitOptions["unchanged"]>[number]): (string | number)[] {
  return ["check", kinds.indexOf(kind) + 1, kind, key, version, "", ""];
}

function writeArgs(write: Write, parts: Parts | undefined): (string | number)[] {
  const kind = kindOf(write);
  const how = "put" in write ? "put" : "delete";
  return [how, kinds.indexOf(kind) + 1, kind, write.key, write.version, parts?.json ?? "", parts?.references ?? ""];
}

/** Each content once: its digest and its JSON. */
async function contentArgs(all: readonly (Parts | undefined)[], pace: Pace): Promise<readonly string[]> {
  const contents = new Map<string, Content>();
  for (const parts of all) for (const content of parts?.contents ?? []) contents.set(content.digest, content);
  const args: string[] = [];
  for (const { digest, value } of contents.values()) {
    args.push(digest, JSON.stringify(value));
    await pace();
  }
  return args;
}
