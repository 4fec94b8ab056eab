// Goal: the store in Redis and its twin in memory give the same answers to the same calls. Method:
// one suite run on both; then random sequences of calls on both at once, compared answer by answer.
import fc from "fast-check";
import { Redis } from "ioredis";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Json } from "../../src/core/json.ts";
import { batchMax, contentLengthMin, requestTtlMs } from "../../src/store/bounds.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import { type Kind, kinds, type StateChange, type Store, type Write } from "../../src/store/store.ts";
import { upgraded } from "../../src/store/upgrade.ts";
import { HandClock } from "../kit/hand-clock.ts";
import { deploymentRecord, progressRecord, replicaRecord } from "../kit/records.ts";
import { startTestRedis, type TestRedis } from "../store/redis-fixture.ts";

interface Subject {
  readonly store: Store;
  /** Lets time pass for what runs out. */
  pass(ms: number): Promise<void>;
}

const never = new AbortController().signal;
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

async function inMemory(changesKept = 16): Promise<Subject> {
  const clock = new HandClock();
  return { store: new MemoryStore({ clock, changesKept }), pass: async (ms) => clock.pass(ms) };
}

async function inRedis(changesKept = 16): Promise<Subject> {
  made += 1;
  const prefix = `{contract-${made}}:`;
  return { store: await redis.store(prefix, { changesKept }), pass: (ms) => passInRedis(prefix, ms) };
}

/** Redis's clock cannot be moved: what would run out later is made to run out sooner. */
async function passInRedis(prefix: string, ms: number): Promise<void> {
  for (const key of await raw.keys(`${prefix}*`)) {
    const leftMs = await raw.pttl(key);
    if (leftMs > 0) await raw.pexpire(key, leftMs - ms);
  }
  const announced = await raw.hgetall(`${prefix}controllers`);
  for (const [id, times] of Object.entries(announced)) {
    const [expiresAtMs, startedAtMs] = times.split(" ").map(Number) as [number, number];
    await raw.hset(`${prefix}controllers`, id, `${expiresAtMs - ms} ${startedAtMs}`);
  }
}

const put = (key: string, version: number, mark = "x"): Write => ({ put: "deployment", key, version, value: deploymentRecord(mark) });
const del = (key: string, version: number): Write => ({ delete: "deployment", key, version });

async function changesSince(store: Store, after: number): Promise<readonly StateChange[]> {
  const batch = await store.changes(after, 0, never);
  if (batch.kind === "lost") throw new Error(`lost at ${batch.position}`);
  return batch.changes;
}

describe.each([
  ["in memory", inMemory],
  ["in Redis", inRedis],
])("a store %s", (_where, make) => {
  let subject: Subject;
  let store: Store;
  beforeEach(async () => {
    subject = await make();
    store = subject.store;
  });

  test("a new store is empty, at position 0", async () => {
    expect(await store.position()).toBe(0);
    expect(await store.get("deployment", "a")).toBeUndefined();
    expect(await store.list("replica", { limit: 10 })).toEqual({ entries: [], position: 0, more: false });
    expect(await store.changes(0, 0, never)).toEqual({ kind: "changes", changes: [] });
  });

  test("an object's version is the position that wrote it", async () => {
    expect(await store.commit([put("a", 0), put("b", 0)])).toEqual({ kind: "committed", positions: [1, 2] });
    expect(await store.commit([put("a", 1, "y")])).toEqual({ kind: "committed", positions: [3] });
    expect(await store.get("deployment", "a")).toEqual({ key: "a", version: 3, value: deploymentRecord("y") });
    expect(await store.get("deployment", "b")).toEqual({ key: "b", version: 2, value: deploymentRecord("x") });
  });

  test("nothing is written where something else was changed that must be as it was read", async () => {
    await store.commit([put("a", 0), put("b", 0)]);
    const read = { kind: "deployment", key: "b", version: 2 } as const;
    expect(await store.commit([put("a", 1, "y")], { unchanged: [read] })).toEqual({ kind: "committed", positions: [3] });
    await store.commit([put("b", 2, "z")]);
    expect(await store.commit([put("a", 3, "x")], { unchanged: [read] })).toEqual({ kind: "conflict", key: "b", found: 4 });
    const missing = { kind: "change", key: "none", version: 0 } as const;
    expect(await store.commit([put("a", 3, "w")], { unchanged: [missing] })).toEqual({ kind: "committed", positions: [5] });
    expect(await store.position()).toBe(5);
  });

  test("kinds do not share keys", async () => {
    await store.commit([put("a", 0), { put: "progress", key: "a", version: 0, value: progressRecord("p") }]);
    expect((await store.get("progress", "a"))?.value).toEqual(progressRecord("p"));
    expect((await store.get("deployment", "a"))?.value).toEqual(deploymentRecord("x"));
    expect(await store.get("replica", "a")).toBeUndefined();
  });

  test("what was written cannot be changed through the writer's object", async () => {
    const value = replicaRecord("r", "d");
    await store.commit([{ put: "replica", key: "r", version: 0, value }]);
    (value as { address: string }).address = "changed";
    const read = await store.get("replica", "r");
    (read?.value as { deployment: string }).deployment = "changed";
    expect((await store.get("replica", "r"))?.value).toEqual(replicaRecord("r", "d"));
    expect((await changesSince(store, 0))[0]?.value).toEqual(replicaRecord("r", "d"));
  });

  test("a write from a stale version is a conflict that names the object and its version", async () => {
    await store.commit([put("a", 0)]);
    await store.commit([put("a", 1)]);
    expect(await store.commit([put("a", 1)])).toEqual({ kind: "conflict", key: "a", found: 2 });
    expect(await store.commit([put("a", 0)])).toEqual({ kind: "conflict", key: "a", found: 2 });
    expect(await store.commit([del("a", 1)])).toEqual({ kind: "conflict", key: "a", found: 2 });
    expect(await store.commit([put("new", 7)])).toEqual({ kind: "conflict", key: "new", found: 0 });
  });

  test("a deleted object is gone and can be made again", async () => {
    await store.commit([put("a", 0)]);
    expect(await store.commit([del("a", 1)])).toEqual({ kind: "committed", positions: [2] });
    expect(await store.get("deployment", "a")).toBeUndefined();
    expect((await store.list("deployment", { limit: 10 })).entries).toEqual([]);
    expect(await store.commit([put("a", 1)])).toEqual({ kind: "conflict", key: "a", found: 0 });
    expect(await store.commit([put("a", 0)])).toEqual({ kind: "committed", positions: [3] });
  });

  test("a commit is all or nothing", async () => {
    await store.commit([put("a", 0)]);
    expect(await store.commit([put("b", 0), put("c", 0), put("a", 9)])).toEqual({ kind: "conflict", key: "a", found: 1 });
    expect(await store.get("deployment", "b")).toBeUndefined();
    expect(await store.position()).toBe(1);
    expect(await changesSince(store, 1)).toEqual([]);
  });

  test("concurrent commits give positions without gaps, one each", async () => {
    const results = await Promise.all(Array.from({ length: 8 }, (_, i) => store.commit([put(`k${i}`, 0), put(`l${i}`, 0)])));
    const positions = results.flatMap((result) => (result.kind === "committed" ? result.positions : []));
    expect(positions.sort((a, b) => a - b)).toEqual(Array.from({ length: 16 }, (_, i) => i + 1));
    expect((await changesSince(store, 0)).map((change) => change.position)).toEqual(positions);
  });

  test("of two writers from the same version one wins", async () => {
    const results = await Promise.all([store.commit([put("a", 0, "one")]), store.commit([put("a", 0, "two")])]);
    expect(results.map((result) => result.kind).sort()).toEqual(["committed", "conflict"]);
  });

  test("changes come in order, each mutation once, a deletion without a value", async () => {
    await store.commit([put("a", 0, "1"), put("b", 0, "2")]);
    await store.commit([del("a", 1), { put: "replica", key: "r", version: 0, value: replicaRecord("r", "b") }]);
    const all: StateChange[] = [
      { position: 1, kind: "deployment", key: "a", value: deploymentRecord("1") },
      { position: 2, kind: "deployment", key: "b", value: deploymentRecord("2") },
      { position: 3, kind: "deployment", key: "a", value: undefined },
      { position: 4, kind: "replica", key: "r", value: replicaRecord("r", "b") },
    ];
    expect(await changesSince(store, 0)).toEqual(all);
    expect(await changesSince(store, 2)).toEqual(all.slice(2));
    expect(await changesSince(store, 4)).toEqual([]);
  });

  test("a batch has a bounded number of changes, and the next goes on where it ended", async () => {
    const many = (await make(5_000)).store;
    const count = batchMax + 50;
    await many.commit(Array.from({ length: count }, (_, i) => put(`k${i}`, 0)));
    const first = await changesSince(many, 0);
    const second = await changesSince(many, batchMax);
    expect([first.length, second.length]).toEqual([batchMax, 50]);
    expect([...first, ...second].map((change) => change.position)).toEqual(Array.from({ length: count }, (_, i) => i + 1));
  });

  test("changes that are no longer kept are lost, not skipped", async () => {
    for (let i = 0; i < 5; i++) await store.commit(Array.from({ length: 100 }, (_, k) => put(`k${i}-${k}`, 0)));
    expect(await store.changes(0, 0, never)).toEqual({ kind: "lost", position: 500, rewound: false });
    expect(await store.changes(1, 60_000, never)).toEqual({ kind: "lost", position: 500, rewound: false });
    expect((await changesSince(store, 490)).map((change) => change.position)).toEqual([491, 492, 493, 494, 495, 496, 497, 498, 499, 500]);
    expect(await changesSince(store, 500)).toEqual([]);
  });

  test("a reader that is ahead of the store learns that the store went back", async () => {
    await store.commit([put("a", 0)]);
    expect(await store.changes(5, 60_000, never)).toEqual({ kind: "lost", position: 1, rewound: true });
  });

  test("a waiting follower gets the change when it is made", async () => {
    const waiting = store.changes(0, 60_000, never);
    await store.position();
    await store.commit([put("a", 0)]);
    expect(await waiting).toMatchObject({ kind: "changes", changes: [{ position: 1 }] });
  });

  test("several followers wait at once and all get the change", async () => {
    const waiting = [1, 2, 3].map(() => store.changes(0, 60_000, never));
    await store.position();
    await store.commit([put("a", 0)]);
    for (const batch of await Promise.all(waiting)) expect(batch).toMatchObject({ changes: [{ position: 1 }] });
  });

  test("a waiting follower that aborts ends at once, with nothing", async () => {
    const controller = new AbortController();
    const waiting = store.changes(0, 3_600_000, controller.signal);
    await store.position();
    controller.abort();
    expect(await waiting).toEqual({ kind: "changes", changes: [] });
    expect(await store.changes(0, 3_600_000, controller.signal)).toEqual({ kind: "changes", changes: [] });
    await store.commit([put("a", 0)]);
    expect(await changesSince(store, 0)).toHaveLength(1);
  });

  test("a wait without changes ends with an empty batch", async () => {
    const waiting = store.changes(0, 30, never);
    await store.position();
    await subject.pass(30);
    expect(await waiting).toEqual({ kind: "changes", changes: [] });
  });

  test("a request has its effect once and its answer again", async () => {
    const request = { id: "r1", fingerprint: "f", answer: 'a "quoted" answer' };
    expect(await store.recall("r1", "f")).toBeUndefined();
    expect(await store.commit([put("a", 0)], { request })).toEqual({ kind: "committed", positions: [1] });
    expect(await store.commit([put("a", 1)], { request: { ...request, answer: "other" } })).toEqual({
      kind: "replayed",
      answer: request.answer,
    });
    expect(await store.recall("r1", "f")).toEqual({ kind: "replayed", answer: request.answer });
    expect(await store.position()).toBe(1);
  });

  test("a kept answer is replaced only by its successor", async () => {
    const request = { id: "r1", fingerprint: "f", answer: "begun" };
    await store.commit([put("a", 0)], { request });
    const ended = { ...request, answer: "ended", replaces: "begun" };
    expect(await store.commit([], { request: { ...ended, fingerprint: "g" } })).toEqual({ kind: "reused" });
    expect(await store.commit([], { request: ended })).toEqual({ kind: "committed", positions: [] });
    expect(await store.recall("r1", "f")).toEqual({ kind: "replayed", answer: "ended" });
    expect(await store.commit([put("a", 1)], { request: { ...ended, answer: "late" } })).toEqual({ kind: "replayed", answer: "ended" });
    expect(await store.position()).toBe(1);
  });

  test("a request id is not good for another request", async () => {
    await store.commit([put("a", 0)], { request: { id: "r1", fingerprint: "f", answer: "" } });
    expect(await store.commit([put("b", 0)], { request: { id: "r1", fingerprint: "g", answer: "" } })).toEqual({ kind: "reused" });
    expect(await store.recall("r1", "g")).toEqual({ kind: "reused" });
    expect(await store.get("deployment", "b")).toBeUndefined();
  });

  test("a request that was refused leaves no record", async () => {
    const request = { id: "r1", fingerprint: "f", answer: "done" };
    expect((await store.commit([put("a", 3)], { request })).kind).toBe("conflict");
    expect(await store.recall("r1", "f")).toBeUndefined();
    expect((await store.commit([put("a", 0)], { request })).kind).toBe("committed");
  });

  test("a request without writes is remembered too", async () => {
    const request = { id: "r1", fingerprint: "f", answer: "nothing to do" };
    expect(await store.commit([], { request })).toEqual({ kind: "committed", positions: [] });
    expect(await store.commit([], { request })).toEqual({ kind: "replayed", answer: "nothing to do" });
  });

  test("an answer is remembered for a day and no longer", async () => {
    const request = { id: "r1", fingerprint: "f", answer: "done" };
    await store.commit([put("a", 0)], { request });
    await subject.pass(requestTtlMs - 60_000);
    expect((await store.recall("r1", "f"))?.kind).toBe("replayed");
    await subject.pass(60_000);
    expect(await store.recall("r1", "f")).toBeUndefined();
    expect((await store.commit([put("a", 1)], { request })).kind).toBe("committed");
  });

  test("the lease has one holder; renewing keeps the epoch", async () => {
    const first = await store.acquireLease("one", 10_000);
    if (!first.held) throw new Error("not held");
    expect(await store.acquireLease("one", 10_000)).toEqual(first);
    const second = await store.acquireLease("two", 10_000);
    if (second.held) throw new Error("held twice");
    expect(second.holder).toBe("one");
    expect(second.remainingMs).toBeGreaterThan(0);
    expect(second.remainingMs).toBeLessThanOrEqual(10_000);
  });

  test("a lease that ran out is taken over with a higher epoch; one renewed in time is not", async () => {
    const first = await store.acquireLease("one", 60_000);
    await subject.pass(40_000);
    await store.acquireLease("one", 60_000);
    await subject.pass(40_000);
    expect((await store.acquireLease("two", 60_000)).held).toBe(false);
    await subject.pass(60_000);
    const second = await store.acquireLease("two", 60_000);
    if (!first.held || !second.held) throw new Error("not held");
    expect(second.epoch).toBeGreaterThan(first.epoch);
  });

  test("a released lease is free; only its holder can release it", async () => {
    const first = await store.acquireLease("one", 60_000);
    await store.releaseLease("two");
    expect((await store.acquireLease("two", 60_000)).held).toBe(false);
    await store.releaseLease("one");
    const second = await store.acquireLease("two", 60_000);
    if (!first.held || !second.held) throw new Error("not held");
    expect(second.epoch).toBeGreaterThan(first.epoch);
  });

  test("only the epoch that holds the lease may write as the leader", async () => {
    expect(await store.commit([put("a", 0)], { epoch: 1 })).toEqual({ kind: "fenced", epoch: 0 });
    const first = await store.acquireLease("one", 60_000);
    if (!first.held) throw new Error("not held");
    expect((await store.commit([put("a", 0)], { epoch: first.epoch })).kind).toBe("committed");
    await store.releaseLease("one");
    expect(await store.commit([put("b", 0)], { epoch: first.epoch })).toEqual({ kind: "fenced", epoch: 0 });
    const second = await store.acquireLease("two", 60_000);
    if (!second.held) throw new Error("not held");
    expect(await store.commit([put("b", 0)], { epoch: first.epoch })).toEqual({ kind: "fenced", epoch: second.epoch });
    expect(await store.get("deployment", "b")).toBeUndefined();
    expect((await store.commit([put("b", 0)])).kind).toBe("committed");
  });

  test("a fenced write is reported before a conflict, a replay before both", async () => {
    const request = { id: "r1", fingerprint: "f", answer: "done" };
    await store.commit([put("a", 0)], { request });
    expect((await store.commit([put("a", 0)], { epoch: 1 })).kind).toBe("fenced");
    expect((await store.commit([put("a", 0)], { epoch: 1, request })).kind).toBe("replayed");
  });

  test("controllers are listed until their announcement runs out, with the leader", async () => {
    expect(await store.controllers()).toEqual({ controllers: [], leader: undefined });
    await store.announce({ id: "two", startedAtMs: 2 }, 60_000);
    await store.announce({ id: "one", startedAtMs: 1 }, 120_000);
    const lease = await store.acquireLease("two", 120_000);
    if (!lease.held) throw new Error("not held");
    const both = [
      { id: "one", startedAtMs: 1 },
      { id: "two", startedAtMs: 2 },
    ];
    expect(await store.controllers()).toEqual({ controllers: both, leader: { id: "two", epoch: lease.epoch } });
    await subject.pass(60_000);
    expect((await store.controllers()).controllers).toEqual([{ id: "one", startedAtMs: 1 }]);
    await store.announce({ id: "two", startedAtMs: 3 }, 60_000);
    expect((await store.controllers()).controllers.map((controller) => controller.startedAtMs)).toEqual([1, 3]);
  });

  test("paging shows each of a thousand keys once, in the order of their bytes", async () => {
    const odd = ["", " ", "-", "+", "(", "[", "[a", "a:b", "a b", "{x}", "\0", "\n", "é", "z\u{1f600}", "\uffee", "ü", "𝔘", "k*", "%s"];
    const keys = [...odd, ...Array.from({ length: 1_000 }, (_, i) => `key-${i}`)];
    await store.commit(keys.map((key) => put(key, 0, key)));
    const seen: string[] = [];
    let after: string | undefined;
    for (let more = true; more; ) {
      const page = await store.list("deployment", { limit: 300, ...(after === undefined ? {} : { after }) });
      expect(page.entries.length).toBeLessThanOrEqual(300);
      for (const entry of page.entries) expect(entry.value.uid).toBe(entry.key);
      seen.push(...page.entries.map((entry) => entry.key));
      after = seen.at(-1);
      more = page.more;
    }
    expect(seen).toEqual(keys.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
  });

  test("a page that ends with the last key says that there are no more; none is longer than 1,000", async () => {
    await store.commit(Array.from({ length: 1_001 }, (_, i) => put(`k${i}`, 0)));
    expect(await store.list("deployment", { limit: 5_000 })).toMatchObject({ more: true, position: 1_001 });
    expect((await store.list("deployment", { limit: 5_000 })).entries).toHaveLength(1_000);
    const last = await store.list("deployment", { after: "k998", limit: 1 });
    expect(last).toMatchObject({ more: false, entries: [{ key: "k999" }] });
    expect(await store.list("deployment", { after: "k999", limit: 1 })).toMatchObject({ more: false, entries: [] });
  });

  test("a closed store fails every call, also a waiting one", async () => {
    const waiting = store.changes(0, 3_600_000, never);
    const failed = expect(waiting).rejects.toMatchObject({ reason: "STORE_UNAVAILABLE" });
    await store.position();
    await store.close();
    await failed;
    await expect(store.position()).rejects.toMatchObject({ reason: "STORE_UNAVAILABLE" });
    await expect(store.commit([put("a", 0)])).rejects.toMatchObject({ code: "UNAVAILABLE", facts: { retryAfterMs: 1_000 } });
    await expect(store.changes(0, 10, never)).rejects.toMatchObject({ reason: "STORE_UNAVAILABLE" });
  });
});

// --- both at once

type Step =
  | {
      readonly do: "commit";
      readonly writes: readonly StepWrite[];
      readonly epoch: number | undefined;
      readonly request: number | undefined;
      readonly userConfig: string | undefined;
    }
  | { readonly do: "acquire"; readonly holder: string }
  | { readonly do: "release"; readonly holder: string };
interface StepWrite {
  readonly kind: Kind;
  readonly key: string;
  readonly delete: boolean;
  /** "read": the object's present version. */
  readonly version: "read" | number;
  readonly mark: string;
  readonly userConfig: string | undefined;
}

/** Large enough to be kept apart; what only the changes or answers hold goes beyond their bounds. */
const bounds = { changesBytesMax: 8_000, answersBytesMax: 4_000 };
const userConfig = fc.option(fc.constantFrom(...["x", "y", "z"].map((one) => one.repeat(contentLengthMin))), { nil: undefined });
const key = fc.constantFrom("a", "b", "c", "\u{1f600}", "\uffee", "");
const stepWrite: fc.Arbitrary<StepWrite> = fc.record({
  kind: fc.constantFrom(...kinds),
  key,
  delete: fc.boolean(),
  version: fc.oneof({ weight: 4, arbitrary: fc.constant("read" as const) }, { weight: 1, arbitrary: fc.nat(6) }),
  mark: fc.string({ unit: "binary" }),
  userConfig,
});
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("commit" as const),
      writes: fc.array(stepWrite, { maxLength: 4 }),
      epoch: fc.option(fc.nat(3), { nil: undefined }),
      request: fc.option(fc.nat(3), { nil: undefined }),
      userConfig,
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom("acquire" as const, "release" as const), holder: fc.constantFrom("x", "y") }) },
);

/** Runs the steps; epochs differ between stores, so they are numbered in order. */
async function play(store: Store, steps: readonly Step[]): Promise<readonly unknown[]> {
  const epochs: number[] = [0];
  const ordinal = (epoch: number) => (epochs.includes(epoch) ? epochs.indexOf(epoch) : epochs.push(epoch) - 1);
  const answers: unknown[] = [];
  for (const one of steps) {
    if (one.do === "release") answers.push(await store.releaseLease(one.holder));
    else if (one.do === "acquire") {
      const answer = await store.acquireLease(one.holder, 3_600_000);
      answers.push(answer.held ? { held: ordinal(answer.epoch) } : answer.holder);
    } else {
      const writes = await Promise.all(one.writes.map((write) => realWrite(store, write)));
      const result = await store.commit(writes, {
        ...(one.epoch !== undefined && { epoch: epochs[one.epoch] ?? 99 }),
        ...(one.request !== undefined && {
          request: {
            id: `r${one.request}`,
            fingerprint: `${writes.length % 2}`,
            answer: answerOf(answers.length, one.userConfig),
            ...(answers.length % 3 === 0 ? { replaces: answerOf(answers.length - 1, one.userConfig) } : {}),
          },
        }),
      });
      answers.push(result.kind === "fenced" ? { fenced: ordinal(result.epoch) } : result);
    }
  }
  return answers;
}

const answerOf = (number: number, userConfig = ""): Json => ({ number, spec: { userConfig } });

async function realWrite(store: Store, write: StepWrite): Promise<Write> {
  const version = write.version === "read" ? ((await store.get(write.kind, write.key))?.version ?? 0) : write.version;
  const { userConfig = "" } = write;
  if (write.delete) return { delete: write.kind, key: write.key, version };
  return {
    put: write.kind,
    key: write.key,
    version,
    value: { ...upgraded(write.kind, deploymentRecord(write.mark)), userConfig },
  } as Write;
}

async function wholeState(store: Store): Promise<unknown> {
  const pages = await Promise.all(kinds.map((kind) => store.list(kind, { limit: 1_000 })));
  const { controllers, leader } = await store.controllers();
  return {
    pages,
    size: await store.size(),
    position: await store.position(),
    changes: await store.changes(0, 0, never),
    controllers,
    leader: leader?.id,
  };
}

test("both stores give the same answers and end in the same state, whatever is asked", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
      const memory = new MemoryStore({ clock: new HandClock(), ...bounds });
      made += 1;
      const inRedis = await redis.store(`{random-${made}}:`, bounds);
      try {
        expect(await play(memory, steps)).toEqual(await play(inRedis, steps));
        expect(await wholeState(memory)).toEqual(await wholeState(inRedis));
      } finally {
        await inRedis.close();
      }
    }),
    { numRuns: 60 },
  );
});
