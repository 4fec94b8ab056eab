import type { Redis } from "ioredis";
import type { Clock } from "../clock/clock.ts";
import type { Log } from "../log/log.ts";
import { batchMax, changesKept, pageMax, requestTtlMs } from "./bounds.ts";
import { commandConnection, disconnect, printable, type RedisAddress, storeError } from "./redis-connection.ts";
import { ChangeWaiters } from "./redis-waiters.ts";
import { judgeServer } from "./requirements.ts";
import { evaluate, type Script, scripts } from "./scripts.ts";
import {
  type ChangeBatch,
  type CommitOptions,
  type CommitResult,
  type ControllerInfo,
  type Entry,
  type Kind,
  kinds,
  type LeaseAnswer,
  type StateChange,
  type Store,
  type Write,
} from "./store.ts";
import { upgraded } from "./upgrade.ts";

/**
 * The key of the position. It keeps its first name, so that data folders of version 0.1.0 can be
 * read.
 */
const positionKey = "revision";
/** The longest time that {@link openRedisStore} waits for a Redis that is loading. */
const openTimeoutMs = 60_000;

export type RedisStoreOptions = RedisAddress & {
  /** A prefix of every key. Its `{…}` keeps all keys in one hash slot. Default: `{drover}:`. */
  readonly prefix?: string;
  /** About how many changes are kept for watchers. Default: {@link changesKept}. */
  readonly changesKept?: number;
  readonly clock: Clock;
  readonly log: Log;
};

/**
 * Connects to Redis. If Redis cannot be reached or used, fails with an Error that says what to do.
 */
export async function openRedisStore(options: RedisStoreOptions): Promise<Store> {
  const redis = commandConnection(options, options.log);
  try {
    await reach(redis, options);
    const { refusals, warnings } = judgeServer(await redis.info());
    if (refusals.length > 0) throw new Error(refusals.join("\n"));
    for (const warning of warnings) options.log.warn(warning);
  } catch (error) {
    redis.disconnect();
    throw error;
  }
  return new RedisStore(redis, options);
}

async function reach(redis: Redis, options: RedisStoreOptions): Promise<void> {
  let cause = "no answer";
  const note = (error: Error) => {
    cause = error.message;
  };
  redis.on("error", note);
  const giveUp = options.clock.after(openTimeoutMs, () => redis.disconnect());
  try {
    await redis.connect();
  } catch {
    throw new Error(
      `Redis cannot be reached at ${printable(options)} (${cause}): start it there, point --redis at another, or leave --redis out.`,
    );
  } finally {
    giveUp();
    redis.off("error", note);
  }
}

class RedisStore implements Store {
  readonly #redis: Redis;
  readonly #waiters: ChangeWaiters;
  readonly #prefix: string;
  readonly #changesKept: number;
  /**
   * The last change that was read, and when it was made: another time at the same position means
   * another history.
   */
  #seen: { readonly position: number; readonly at: string } | undefined;

  constructor(redis: Redis, options: RedisStoreOptions) {
    this.#redis = redis;
    this.#prefix = options.prefix ?? "{drover}:";
    this.#changesKept = options.changesKept ?? changesKept;
    this.#waiters = new ChangeWaiters(options, this.#key("changes"), options.clock);
  }

  async get<K extends Kind>(kind: K, key: string): Promise<Entry<K> | undefined> {
    const kept = await this.#try(() => this.#redis.hget(this.#objects(kind), key));
    return kept === null ? undefined : entryOf<K>(kind, key, kept);
  }

  async list<K extends Kind>(kind: K, page: { readonly after?: string; readonly limit: number }) {
    const keys = [this.#key(positionKey), this.#objects(kind), this.#index(kind)];
    const from = page.after === undefined ? "-" : `(${page.after}`;
    const [position, more, ...flat] = (await this.#run(scripts.list, keys, [from, Math.min(page.limit, pageMax)])) as [
      number,
      number,
      ...string[],
    ];
    return { entries: pairs(flat).map(([key, kept]) => entryOf<K>(kind, key, kept)), position, more: more === 1 };
  }

  async position(): Promise<number> {
    return Number((await this.#try(() => this.#redis.get(this.#key(positionKey)))) ?? 0);
  }

  async commit(writes: readonly Write[], options: CommitOptions = {}): Promise<CommitResult> {
    const { epoch, request, unchanged = [] } = options;
    const keys = [this.#key(positionKey), this.#key("changes"), this.#key("lease")];
    for (const kind of kinds) keys.push(this.#objects(kind), this.#index(kind));
    if (request) keys.push(this.#request(request.id));
    const args = [epoch ?? "", request?.fingerprint ?? "", request?.answer ?? "", requestTtlMs, this.#changesKept, request?.replaces ?? ""];
    const answer = (await this.#run(scripts.commit, keys, [
      ...args,
      ...unchanged.flatMap(checkArgs),
      ...writes.flatMap(writeArgs),
    ])) as CommitAnswer;
    switch (answer[0]) {
      case "committed":
        return { kind: "committed", positions: writes.map((_, i) => answer[1] + i + 1) };
      case "conflict":
        return { kind: "conflict", key: answer[1], found: answer[2] };
      case "fenced":
        return { kind: "fenced", epoch: answer[1] };
      case "replayed":
        return { kind: "replayed", answer: answer[1] };
      case "reused":
        return { kind: "reused" };
    }
  }

  async recall(requestId: string, fingerprint: string): Promise<CommitResult | undefined> {
    const [known, answer] = await this.#try(() => this.#redis.hmget(this.#request(requestId), "fingerprint", "answer"));
    if (known == null || answer == null) return undefined;
    return known === fingerprint ? { kind: "replayed", answer } : { kind: "reused" };
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
    const answer = (await this.#run(scripts.readChanges, keys, [after, at, batchMax])) as ChangesAnswer;
    if (answer[0] === "lost") {
      this.#seen = undefined;
      return { kind: "lost", position: answer[1], rewound: answer[2] === 1 };
    }
    const entries = answer[1].map(([id, fields]) => changeOf(id, fields));
    const last = entries.at(-1);
    this.#seen = last ? { position: last.change.position, at: last.at } : { position: after, at: answer[2] };
    return { kind: "changes", changes: entries.map((entry) => entry.change) };
  }

  async acquireLease(holder: string, ttlMs: number): Promise<LeaseAnswer> {
    const answer = (await this.#run(scripts.acquireLease, [this.#key("lease"), this.#key("epoch")], [holder, ttlMs])) as LeaseReply;
    return answer[0] === 1 ? { held: true, epoch: answer[1] } : { held: false, holder: answer[1], remainingMs: answer[2] };
  }

  async releaseLease(holder: string): Promise<void> {
    await this.#run(scripts.releaseLease, [this.#key("lease")], [holder]);
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

  #run(script: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    return this.#try(() => evaluate(this.#redis, script, keys, args));
  }

  async #try<T>(command: () => Promise<T>): Promise<T> {
    try {
      return await command();
    } catch (error) {
      throw storeError(error);
    }
  }
}

type CommitAnswer = ["committed", number] | ["conflict", string, number] | ["fenced", number] | ["replayed", string] | ["reused"];
type ChangesAnswer = ["lost", number, number] | ["changes", [id: string, fields: string[]][], string];
type LeaseReply = [1, number] | [0, string, number];

function checkArgs({ kind, key, version }: NonNullable<CommitOptions["unchanged"]>[number]): (string | number)[] {
  return ["check", kinds.indexOf(kind) + 1, kind, key, version, ""];
}

function writeArgs(write: Write): (string | number)[] {
  const put = "put" in write;
  const kind = put ? write.put : write.delete;
  return [put ? "put" : "delete", kinds.indexOf(kind) + 1, kind, write.key, write.version, put ? JSON.stringify(write.value) : ""];
}

/** An object is stored as its version, a space, and its value as JSON. */
function entryOf<K extends Kind>(kind: K, key: string, kept: string): Entry<K> {
  const space = kept.indexOf(" ");
  return { key, version: Number(kept.slice(0, space)), value: upgraded(kind, JSON.parse(kept.slice(space + 1))) };
}

function changeOf(id: string, flat: readonly string[]): { readonly change: StateChange; readonly at: string } {
  const fields = new Map(pairs(flat));
  const value = fields.get("value");
  const kind = fields.get("kind") as Kind;
  const change: StateChange = {
    position: Number.parseInt(id, 10),
    kind,
    key: fields.get("key") ?? "",
    value: value === undefined ? undefined : upgraded(kind, JSON.parse(value)),
  };
  return { change, at: fields.get("at") ?? "" };
}

function pairs(flat: readonly string[]): [string, string][] {
  return Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i] as string, flat[2 * i + 1] as string]);
}
