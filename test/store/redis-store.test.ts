import { Redis } from "ioredis";
import { pino } from "pino";
import { afterEach, beforeEach, expect, test } from "vitest";
import { realClock } from "../../src/clock/real.ts";
import { silentLog } from "../../src/log/log.ts";
import { openRedisStore } from "../../src/store/redis-store.ts";
import { noContent, type Store, type Write } from "../../src/store/store.ts";
import { deploymentRecord } from "../kit/records.ts";
import { until } from "../kit/until.ts";
import { startTestRedis, type TestRedis } from "./redis-fixture.ts";

const never = new AbortController().signal;
const away = { reason: "STORE_UNAVAILABLE", code: "UNAVAILABLE", facts: { retryAfterMs: 1_000 } };
const put = (key: string, version = 0): Write => ({ put: "deployment", key, version, value: deploymentRecord(key) });

let redis: TestRedis;
let raw: Redis;
beforeEach(async () => {
  redis = await startTestRedis();
  raw = new Redis({ path: redis.server.socketPath });
  raw.on("error", () => {});
});
afterEach(async () => {
  raw.disconnect();
  await redis.close();
});

const answers = (store: Store) =>
  store.position().then(
    () => true,
    () => false,
  );

test("a server that evicts keys is refused with the remedy", async () => {
  await raw.config("SET", "maxmemory-policy", "allkeys-lru");
  await expect(redis.store()).rejects.toThrow(/maxmemory-policy allkeys-lru.*CONFIG SET maxmemory-policy noeviction/);
});

test("a read-only replica is refused, naming its primary", async () => {
  await raw.replicaof("127.0.0.1", 1);
  await expect(redis.store()).rejects.toThrow(/read-only replica: point --redis at its primary \(127\.0\.0\.1:1\)/);
});

test("a server is judged also where CONFIG is denied", async () => {
  await raw.config("SET", "maxmemory-policy", "allkeys-lru");
  await raw.acl("SETUSER", "default", "-config");
  await expect(redis.store()).rejects.toThrow(/allkeys-lru/);
});

test("a server without an append-only file is warned about, and used", async () => {
  await raw.config("SET", "appendonly", "no");
  const lines: string[] = [];
  const log = pino({ level: "warn" }, { write: (line: string) => void lines.push(line) });
  const store = await redis.store("{w}:", { log });
  expect(lines.join("")).toContain("append-only file");
  expect(await store.position()).toBe(0);
});

test("an address without a listener is refused at once, without its password", async () => {
  const open = (url: string) => openRedisStore({ url, clock: realClock, log: silentLog });
  await expect(open("redis://user:secret@127.0.0.1:1")).rejects.toThrow(/cannot be reached at redis:\/\/…@127\.0\.0\.1:1 \(.*ECONNREFUSED/);
  await expect(open("redis://user:secret@127.0.0.1:1")).rejects.not.toThrow(/secret/);
  await expect(open("http://127.0.0.1:1")).rejects.toThrow(/no address of a Redis/);
});

test("a server that wants a password is refused with its own words", async () => {
  await raw.config("SET", "requirepass", "secret");
  await expect(redis.store()).rejects.toThrow(/cannot be reached .*NOAUTH/);
});

test("scripts that Redis forgot are sent again", async () => {
  const store = await redis.store();
  await store.commit([put("a")]);
  await raw.script("FLUSH");
  expect((await store.commit([put("b")])).kind).toBe("committed");
  expect((await store.list("deployment", { limit: 10 })).entries).toHaveLength(2);
});

test("while Redis is away every call fails and no wait hangs; when it is back it goes on with all that was acknowledged", async () => {
  const store = await redis.store();
  await store.commit([put("a")]);
  const waiting = expect(store.changes(1, 3_600_000, never)).rejects.toMatchObject(away);
  await until(async () => ((await raw.client("LIST")) as string).includes("cmd=xread"));
  const { pid } = redis.server;
  // Stopped first, so that it cannot be back before it was seen to be away.
  await redis.server.close();
  await waiting;
  await expect(store.position()).rejects.toMatchObject(away);
  const tooLate = new Promise((resolve) => setImmediate(resolve));
  await expect(Promise.race([store.position(), tooLate])).rejects.toMatchObject(away);
  await expect(store.get("deployment", "a")).rejects.toMatchObject(away);
  await expect(store.list("deployment", { limit: 1 })).rejects.toMatchObject(away);
  await expect(store.commit([put("b")])).rejects.toMatchObject(away);
  await expect(store.recall("r", "f")).rejects.toMatchObject(away);
  await expect(store.changes(1, 3_600_000, never)).rejects.toMatchObject(away);
  await expect(store.acquireLease("x", 1_000)).rejects.toMatchObject(away);
  await expect(store.controllers()).rejects.toMatchObject(away);

  await redis.restart();
  expect(redis.server.pid).not.toBe(pid);
  await until(() => answers(store));
  expect(await store.position()).toBe(1);
  expect(await store.commit([put("b")])).toEqual({ kind: "committed", positions: [2] });
  expect(await store.changes(1, 3_600_000, never)).toMatchObject({ changes: [{ position: 2 }] });
});

test("a Redis that hangs fails calls and waits within their bounds, and is used again when it answers", async () => {
  const store = await redis.store();
  const waiting = expect(store.changes(0, 10, never)).rejects.toMatchObject(away);
  process.kill(redis.server.pid, "SIGSTOP");
  try {
    await expect(store.commit([put("a")])).rejects.toMatchObject(away);
    await waiting;
  } finally {
    process.kill(redis.server.pid, "SIGCONT");
  }
  await until(() => answers(store));
  expect((await store.get("deployment", "a"))?.version ?? 0).toBeLessThanOrEqual(1);
});

test("an abort ends a wait at a Redis that hangs", async () => {
  const store = await redis.store();
  const controller = new AbortController();
  const waiting = store.changes(0, 3_600_000, controller.signal);
  await until(async () => ((await raw.client("LIST")) as string).includes("cmd=xread"));
  process.kill(redis.server.pid, "SIGSTOP");
  try {
    controller.abort();
    expect(await waiting).toEqual({ kind: "changes", changes: [] });
  } finally {
    process.kill(redis.server.pid, "SIGCONT");
  }
});

test("a Redis that cannot write refuses for now, and says why", async () => {
  const store = await redis.store();
  await raw.config("SET", "maxmemory", "1");
  await expect(store.commit([put("a")])).rejects.toMatchObject({ ...away, message: expect.stringContaining("OOM") });
  expect(await store.position()).toBe(0);
  await raw.config("SET", "maxmemory", "0");
  expect((await store.commit([put("a")])).kind).toBe("committed");
});

test("a history that was replaced is noticed, also when it is as long as the one before", async () => {
  const store = await redis.store("{h}:");
  const other = await redis.store("{h}:");
  await store.commit([put("a"), put("b")]);
  expect(await store.changes(0, 0, never)).toMatchObject({ kind: "changes" });
  await raw.flushall();
  await redis.store("{h}:"); // fills it with nothing
  expect(await store.changes(2, 0, never)).toEqual({ kind: "lost", position: 0, rewound: true });
  await other.commit([put("a"), put("b"), put("c")]);
  expect(await store.changes(0, 0, never)).toMatchObject({ kind: "changes", changes: { length: 3 } });

  await raw.flushall();
  await redis.store("{h}:");
  await other.commit([put("x"), put("y"), put("z")]);
  expect(await store.changes(3, 0, never)).toEqual({ kind: "lost", position: 3, rewound: true });
});

test("all keys begin with the prefix and share its hash slot", async () => {
  const store = await redis.store("{slot}x:");
  await store.acquireLease("a", 60_000);
  await store.announce({ id: "a", startedAtMs: 1 }, 60_000);
  await store.commit([put("a")], { request: { id: "r}{1", fingerprint: "f", answer: "" } });
  const keys = await raw.keys("*");
  expect(keys.length).toBeGreaterThan(5);
  const slots = await Promise.all(keys.map((key) => raw.cluster("KEYSLOT", key)).map((slot) => slot.catch(() => 0)));
  expect(new Set(slots).size).toBe(1);
  for (const key of keys) expect(key.startsWith("{slot}x:")).toBe(true);
});

test("a request's record and the lease run out by themselves", async () => {
  const store = await redis.store("{t}:");
  await store.commit([put("a")], { request: { id: "r", fingerprint: "f", answer: "" } });
  await store.acquireLease("a", 60_000);
  const day = 24 * 3_600_000;
  expect(await raw.pttl("{t}:request:r")).toBeGreaterThan(day - 600_000);
  expect(await raw.pttl("{t}:request:r")).toBeLessThanOrEqual(day);
  expect(await raw.pttl("{t}:lease")).toBeGreaterThan(0);
});

test("an epoch issued before Redis lost everything is not issued again", async () => {
  const store = await redis.store();
  const first = await store.acquireLease("a", 60_000);
  await until(async () => Number((await raw.time())[0]) * 1_000 > (first.held ? first.epoch : 0));
  await raw.flushall();
  await store.fill(noContent);
  const second = await store.acquireLease("b", 60_000);
  expect(second.held && first.held && second.epoch > first.epoch).toBe(true);
});

test("after a step of the wall clock back, neither a lease nor an announcement of a controller that ended lasts longer", async () => {
  const store = await redis.store("{s}:");
  const [leaseMs, hourMs] = [500, 3_600_000];
  await store.acquireLease("ended", leaseMs);
  await store.announce({ id: "ended", startedAtMs: 1 }, leaseMs);
  // As Redis sees its own times after a step of an hour back.
  await raw.pexpire("{s}:lease", leaseMs + hourMs);
  const [seconds] = await raw.time();
  await raw.hset("{s}:controllers", "ended", `${Number(seconds) * 1_000 + leaseMs + hourMs} 1`);
  await until(async () => (await store.acquireLease("next", leaseMs)).held);
  await until(async () => {
    await store.announce({ id: "next", startedAtMs: 2 }, leaseMs);
    return (await store.controllers()).controllers.every(({ id }) => id === "next");
  });
});
