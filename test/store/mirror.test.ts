import { Redis } from "ioredis";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { realClock } from "../../src/clock/real.ts";
import { silentLog } from "../../src/log/log.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import { Mirror, type MirrorEvent } from "../../src/store/mirror.ts";
import type { Store, Write } from "../../src/store/store.ts";
import { HandClock } from "../kit/hand-clock.ts";
import { deploymentRecord, progressRecord, replicaRecord } from "../kit/records.ts";
import { until } from "../kit/until.ts";
import { startTestRedis, type TestRedis } from "./redis-fixture.ts";

const put = (key: string, version = 0, mark = key): Write => ({ put: "deployment", key, version, value: deploymentRecord(mark) });
const replica = (id: string, deployment: string, version = 0): Write => ({
  put: "replica",
  key: id,
  version,
  value: replicaRecord(id, deployment),
});

let clock: HandClock;
let store: MemoryStore;
const mirrors: Mirror[] = [];
beforeEach(() => {
  clock = new HandClock();
  store = new MemoryStore({ clock });
});
afterEach(async () => {
  await Promise.all(mirrors.splice(0).map((mirror) => mirror.close()));
});

async function open(of: Store = store, by = clock as typeof realClock): Promise<Mirror> {
  const mirror = await Mirror.open({ store: of, clock: by, log: silentLog });
  mirrors.push(mirror);
  return mirror;
}

/** The mirror's events in words. */
function record(mirror: Mirror): string[] {
  const seen: string[] = [];
  mirror.subscribe((event) => seen.push(words(event)));
  return seen;
}
const words = (event: MirrorEvent) =>
  event.kind === "reset" ? `reset${event.rewound ? " rewound" : ""}` : `${event.change.position} ${event.change.key}`;

test("a mirror opens with all there is, of every kind, over many pages", async () => {
  const many = Array.from({ length: 2_500 }, (_, i) => replica(`r${i}`, `d${i % 2}`));
  await store.commit([put("d0"), put("d1"), { put: "progress", key: "d0", version: 0, value: progressRecord("p") }, ...many]);
  const mirror = await open();
  expect(mirror.position).toBe(2_503);
  expect([...mirror.deployments().keys()].sort()).toEqual(["d0", "d1"]);
  expect(mirror.progress("d0")?.value).toEqual(progressRecord("p"));
  expect(mirror.replicas().size).toBe(2_500);
  expect(mirror.replicasOf("d1")).toHaveLength(1_250);
});

test("between the changes that one commit made, everything else of the process goes on", async () => {
  // Each look at this clock is a second later, so a wait is due after each change.
  let seconds = 0;
  const mirror = await open(store, { ...realClock, nowMs: () => 1_000 * seconds++ });
  let turn = 0;
  const count = () => {
    turn += 1;
    immediate = setImmediate(count);
  };
  let immediate = setImmediate(count);
  const turns: number[] = [];
  mirror.subscribe(() => turns.push(turn));
  await store.commit(Array.from({ length: 50 }, (_, i) => put(`d${i}`)));
  await mirror.catchUp();
  clearImmediate(immediate);
  expect(new Set(turns).size).toBe(50);
});

test("what is written after a caller's write is read by catching up", async () => {
  const mirror = await open();
  for (let i = 0; i < 20; i++) {
    await store.commit([put(`d${i}`)]);
    await mirror.catchUp();
    expect(mirror.deployment(`d${i}`)).toEqual({ key: `d${i}`, version: i + 1, value: deploymentRecord(`d${i}`) });
  }
});

test("listeners see each position once, in order, with the mirror as it was right then", async () => {
  const mirror = await open();
  const seen = record(mirror);
  const positions: number[] = [];
  mirror.subscribe(() => positions.push(mirror.position));
  await store.commit([put("a"), put("b")]);
  await store.commit([put("a", 1, "new"), { delete: "deployment", key: "b", version: 2 }]);
  await mirror.catchUp();
  expect(seen).toEqual(["1 a", "2 b", "3 a", "4 b"]);
  expect(positions).toEqual([1, 2, 3, 4]);
  expect(mirror.deployment("b")).toBeUndefined();
  expect(mirror.deployment("a")?.version).toBe(3);
});

test("a listener that throws harms neither the mirror nor the others; a removed listener is not called", async () => {
  const mirror = await open();
  const leave = mirror.subscribe(() => {
    throw new Error("a bug");
  });
  const seen = record(mirror);
  await store.commit([put("a")]);
  await mirror.catchUp();
  leave();
  await store.commit([put("b")]);
  await mirror.catchUp();
  expect(seen).toEqual(["1 a", "2 b"]);
});

test("replicas are found by their deployment, also when they are gone or have moved", async () => {
  const mirror = await open();
  await store.commit([replica("r1", "a"), replica("r2", "a"), replica("r3", "b")]);
  await store.commit([{ delete: "replica", key: "r1", version: 1 }, replica("r2", "b", 2)]);
  await mirror.catchUp();
  expect(mirror.replicasOf("a")).toEqual([]);
  expect(
    mirror
      .replicasOf("b")
      .map((entry) => entry.key)
      .sort(),
  ).toEqual(["r2", "r3"]);
  expect(mirror.replica("r1")).toBeUndefined();
});

test("changes made while all is being read are neither lost nor shown out of order", async () => {
  await store.commit(Array.from({ length: 1_500 }, (_, i) => put(`d${String(i).padStart(4, "0")}`)));
  let page = 0;
  const busy = wrap(store, {
    // Nothing arrives after opening: the mirror must have had all by then.
    changes: (after, waitMs, signal) => (waitMs === 0 ? store.changes(after, 0, signal) : aborted(signal)),
    async list(kind, options) {
      const answer = await store.list(kind, options);
      page += 1;
      if (page > 1) return answer;
      await store.commit([{ delete: "deployment", key: "d0001", version: 2 }, put("d1400", 1_401, "later"), put("e")]);
      // More than one batch of changes.
      await store.commit(Array.from({ length: 1_200 }, (_, i) => replica(`r${i}`, "e")));
      return answer;
    },
  });
  const mirror = await open(busy);
  expect(mirror.position).toBe(2_703);
  expect(mirror.deployment("d0001")).toBeUndefined();
  expect(mirror.deployment("d1400")).toEqual({ key: "d1400", version: 1_502, value: deploymentRecord("later") });
  expect(mirror.deployments().size).toBe(1_500);
});

test("while the store is away the mirror serves what it has; back again, it goes on", async () => {
  await store.commit([put("a")]);
  const mirror = await open();
  const seen = record(mirror);
  expect(mirror.available).toBe(true);
  store.setFault("unavailable");
  await expect(mirror.catchUp()).rejects.toMatchObject({ reason: "STORE_UNAVAILABLE" });
  expect(mirror.available).toBe(false);
  expect(mirror.deployment("a")?.version).toBe(1);
  store.setFault("none");
  await store.commit([put("b")]);
  // It need not wait out its pause: a call of catchUp wakes it.
  await mirror.catchUp();
  expect(mirror.available).toBe(true);
  expect(seen).toEqual(["2 b"]);
});

test("a store that is back is followed again without a call", async () => {
  const mirror = await open();
  store.setFault("unavailable");
  await until(() => !mirror.available);
  store.setFault("none");
  clock.pass(1_000);
  // Time stands still from here: it does not wait for the next change to know.
  await until(() => mirror.available);
  await store.commit([put("a")]);
  await until(() => mirror.deployment("a") !== undefined);
});

test("catching up with a store whose changes do not arrive ends in time", async () => {
  const mute = wrap(store, { changes: (after, waitMs, signal) => (waitMs === 0 ? store.changes(after, 0, signal) : aborted(signal)) });
  const mirror = await open(mute);
  await store.commit([put("a")]);
  const late = expect(mirror.catchUp()).rejects.toMatchObject({ reason: "STORE_UNAVAILABLE" });
  const left = new AbortController();
  const cancelled = expect(mirror.catchUp(left.signal)).rejects.toMatchObject({ reason: "CANCELLED" });
  await store.position();
  left.abort();
  await cancelled;
  clock.pass(2_000);
  await late;
});

test("changes that were trimmed make the mirror read everything again, and report it", async () => {
  const small = new MemoryStore({ clock, changesKept: 5 });
  const gate = Promise.withResolvers<void>();
  const slow = wrap(small, {
    changes: async (after, waitMs, signal) => {
      if (waitMs > 0) await gate.promise;
      return small.changes(after, waitMs, signal);
    },
  });
  const mirror = await open(slow);
  const seen = record(mirror);
  await small.commit(Array.from({ length: 20 }, (_, i) => put(`d${i}`)));
  gate.resolve();
  await mirror.catchUp();
  expect(seen).toEqual(["reset"]);
  expect(mirror.deployments().size).toBe(20);
  expect(mirror.position).toBe(20);
});

test("a store that lost its tail makes the mirror read everything again, and report that it went back", async () => {
  await store.commit([put("a"), replica("r1", "a")]);
  const restore = store.snapshot();
  await store.commit([put("b"), replica("r2", "a")]);
  const mirror = await open();
  const seen = record(mirror);
  restore();
  await mirror.catchUp();
  expect(seen).toEqual(["reset rewound"]);
  expect(mirror.position).toBe(2);
  expect(mirror.deployment("b")).toBeUndefined();
  expect(mirror.replicasOf("a").map((entry) => entry.key)).toEqual(["r1"]);
  await store.commit([put("c")]);
  await mirror.catchUp();
  expect(seen).toEqual(["reset rewound", "3 c"]);
});

test("a closed mirror stops following and ends waiting calls", async () => {
  const mute = wrap(store, { changes: (after, waitMs, signal) => (waitMs === 0 ? store.changes(after, 0, signal) : aborted(signal)) });
  const mirror = await open(mute);
  await store.commit([put("a")]);
  const waiting = expect(mirror.catchUp()).rejects.toMatchObject({ reason: "SHUTTING_DOWN" });
  await store.position();
  await mirror.close();
  await waiting;
});

describe("on Redis", () => {
  let redis: TestRedis;
  beforeEach(async () => {
    redis = await startTestRedis();
  });
  afterEach(() => redis.close());

  test("a mirror follows over a restart, keeps what it has while everything is gone, and reads what it is filled with", async () => {
    const writer = await redis.store("{m}:");
    const mirror = await open(await redis.store("{m}:"), realClock);
    const seen = record(mirror);
    await writer.commit([put("a")]);
    await mirror.catchUp();
    expect(seen).toEqual(["1 a"]);

    await redis.server.close();
    await until(() => !mirror.available);
    expect(mirror.deployment("a")?.version).toBe(1);
    await redis.restart();
    await until(async () => (await writer.position().catch(() => -1)) === 1);
    await writer.commit([put("b")]);
    await until(() => mirror.position === 2);
    expect(seen).toEqual(["1 a", "2 b"]);
    expect(mirror.available).toBe(true);

    const raw = new Redis({ path: redis.server.socketPath });
    await raw.flushall();
    raw.disconnect();
    await expect(mirror.catchUp()).rejects.toMatchObject({ facts: { metadata: { store: "empty" } } });
    expect(seen).toEqual(["1 a", "2 b"]);
    expect([...mirror.deployments().keys()]).toEqual(["a", "b"]);
    await redis.store("{m}:"); // a store that is opened on an empty Redis fills it with nothing
    await mirror.catchUp();
    expect(seen).toEqual(["1 a", "2 b", "reset rewound"]);
    expect(mirror.deployments().size).toBe(0);
  });
});

/** The store with some of its methods replaced. */
function wrap(of: Store, replaced: Partial<Store>): Store {
  return new Proxy(of, {
    get: (target, name) => {
      const own = (replaced as Record<string | symbol, unknown>)[name];
      if (own !== undefined) return own;
      const value = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

function aborted(signal: AbortSignal): Promise<{ kind: "changes"; changes: [] }> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve({ kind: "changes", changes: [] })));
}
