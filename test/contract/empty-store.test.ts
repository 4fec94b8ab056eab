// A store that lost everything: what it answers, and how it is filled. One suite for both stores.
import { Redis } from "ioredis";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { realClock } from "../../src/clock/real.ts";
import { silentLog } from "../../src/log/log.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import { Mirror, type MirrorEvent } from "../../src/store/mirror.ts";
import { partKey, type Store, type StoreContent, type Write } from "../../src/store/store.ts";
import { HandClock } from "../kit/hand-clock.ts";
import { deploymentRecord, replicaRecord } from "../kit/records.ts";
import { until } from "../kit/until.ts";
import { startTestRedis, type TestRedis } from "../store/redis-fixture.ts";

interface Subject {
  readonly store: Store;
  /** Another process's access to the same store. */
  readonly other: Store;
  lose(): Promise<void>;
}

const never = new AbortController().signal;
const empty = { reason: "STORE_UNAVAILABLE", facts: { metadata: { store: "empty" } } };
let redis: TestRedis;
let raw: Redis;
let made = 0;

beforeAll(async () => {
  redis = await startTestRedis();
  raw = new Redis({ path: redis.server.socketPath });
});
afterAll(async () => {
  raw.disconnect();
  await redis.close();
});

async function inMemory(): Promise<Subject> {
  const store = new MemoryStore({ clock: new HandClock() });
  return { store, other: store, lose: async () => void store.empty() };
}

async function inRedis(): Promise<Subject> {
  const prefix = `{empty-${made++}}:`;
  const lose = async () => void (await raw.del(await raw.keys(`${prefix}*`)));
  return { store: await redis.store(prefix), other: await redis.store(prefix), lose };
}

const put = (key: string, version = 0): Write => ({ put: "deployment", key, version, value: deploymentRecord(key) });
const replica: Write = { put: "replica", key: "r", version: 0, value: replicaRecord("r", "a") };

/** What this process knows of the store. */
async function known(store: Store, epoch = 0): Promise<StoreContent & { close(): Promise<void>; readonly mirror: Mirror }> {
  const mirror = await Mirror.open({ store, clock: realClock, log: silentLog });
  return { ...mirror.content(), requests: store.answers(), epoch, mirror, close: () => mirror.close() };
}

describe.each([
  ["in memory", inMemory],
  ["in Redis", inRedis],
])("a store %s that lost everything", (_where, make) => {
  let store: Store;
  let other: Store;
  let lose: () => Promise<void>;
  beforeEach(async () => {
    ({ store, other, lose } = await make());
  });

  test("takes nothing and tells nobody that it is new, until it is filled", async () => {
    await store.commit([put("a")]);
    await lose();
    await expect(store.position()).rejects.toMatchObject(empty);
    await expect(store.list("deployment", { limit: 1 })).rejects.toMatchObject(empty);
    await expect(store.changes(1, 0, never)).rejects.toMatchObject(empty);
    await expect(store.commit([put("new")])).rejects.toMatchObject(empty);
    await expect(store.acquireLease("x", 1_000)).rejects.toMatchObject(empty);
    expect(store.trouble).toMatchObject({ kind: "empty" });
  });

  test("has all again after it was filled: objects, versions, position, answers; and goes on", async () => {
    const request = { id: "once", fingerprint: "f", answer: "done" };
    await store.commit([put("a"), put("b"), replica], { request });
    await store.commit([{ delete: "deployment", key: "b", version: 2 }]);
    const lease = await store.acquireLease("x", 60_000);
    if (!lease.held) throw new Error("not held");
    const { close, mirror, ...content } = await known(store, lease.epoch);
    await lose();
    const filled = await store.fill(content, { holder: "x", ttlMs: 60_000 });
    if (filled.kind !== "filled") throw new Error("not filled");
    expect(store.trouble).toBeUndefined();
    expect(filled.epoch).toBeGreaterThan(lease.epoch);
    expect(await store.acquireLease("x", 60_000)).toEqual({ held: true, epoch: filled.epoch });
    expect(await store.position()).toBe(4);
    expect(await store.get("deployment", "a")).toMatchObject({ version: 1 });
    expect((await store.list("deployment", { limit: 9 })).entries).toHaveLength(1);
    expect((await store.list("replica", { limit: 9 })).entries).toMatchObject([{ key: "r", version: 3 }]);
    expect(await store.recall("once", "f")).toEqual({ kind: "replayed", answer: "done" });
    expect(await store.commit([put("a", 1)], { epoch: lease.epoch })).toMatchObject({ kind: "fenced" });
    expect(await store.commit([put("a", 1)], { epoch: filled.epoch })).toEqual({ kind: "committed", positions: [5] });
    await close();
  });

  test("a follower that had read everything misses nothing, and is not told to start again", async () => {
    await store.commit([put("a"), put("b")]);
    const { close, mirror, ...content } = await known(store);
    const events: MirrorEvent[] = [];
    mirror.subscribe((event) => events.push(event));
    await lose();
    await store.fill(content);
    await store.commit([put("a", 1)]);
    await until(() => mirror.position === 3);
    expect(events.map((event) => (event.kind === "change" ? event.change.position : event.kind))).toEqual([3]);
    await close();
  });

  test("is filled once, whoever comes first; and one that has a state is never overwritten", async () => {
    await store.commit([put("a")]);
    const { close, mirror, ...content } = await known(store);
    const lesser = { ...content, entries: [], position: 0 };
    expect(await store.fill(lesser)).toEqual({ kind: "kept" });
    await lose();
    const results = await Promise.all([
      store.fill(content, { holder: "x", ttlMs: 1_000 }),
      other.fill(lesser, { holder: "y", ttlMs: 1_000 }),
    ]);
    expect(results.map(({ kind }) => kind).sort()).toEqual(["filled", "kept"]);
    const first = results[0]?.kind === "filled";
    expect(await store.position()).toBe(first ? 1 : 0);
    expect((await store.controllers()).leader?.id).toBe(first ? "x" : "y");
    await close();
  });

  test("a new epoch is higher than the one before, also where the clock went back", async () => {
    const farAhead = 8_000_000_000_000;
    await lose();
    expect(await store.fill({ position: 0, entries: [], requests: [], epoch: farAhead })).toEqual({ kind: "filled", epoch: farAhead });
    expect(await store.acquireLease("x", 1_000)).toEqual({ held: true, epoch: farAhead + 1 });
  });
});

test("what was written to Redis and not read back is filled in, too", async () => {
  const { store, lose } = await inRedis();
  await store.commit([put("a"), put("b")]);
  const { close, mirror, ...content } = await known(store);
  await mirror.close();
  await store.commit([put("a", 1), { delete: "deployment", key: "b", version: 2 }, put("c")]);
  await lose();
  await store.fill(content);
  expect(await store.position()).toBe(5);
  expect((await store.list("deployment", { limit: 9 })).entries).toMatchObject([
    { key: "a", version: 3 },
    { key: "c", version: 5 },
  ]);
});

test("a Redis is filled with a state that is larger than one command", async () => {
  const { store, lose } = await inRedis();
  const big = { ...deploymentRecord("big"), uid: "x".repeat(300_000) };
  const writes = Array.from({ length: 20 }, (_, i): Write => ({ put: "deployment", key: partKey("d", i), version: 0, value: big }));
  await store.commit(writes);
  const { close, mirror, ...content } = await known(store);
  await lose();
  expect((await store.fill(content)).kind).toBe("filled");
  const { entries } = await store.list("deployment", { limit: 99 });
  expect(entries.map(({ value }) => value.uid.length)).toEqual(writes.map(() => 300_000));
  await close();
});
