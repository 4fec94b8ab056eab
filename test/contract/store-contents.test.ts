// Goal: what a store keeps does not grow with the size of a config times the number of changes.
// Method: the same histories on the store in Redis and on its twin in memory.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ConfigRecord } from "../../src/core/config-change.ts";
import type { DeploymentRecord } from "../../src/core/deployment.ts";
import { firstRecord } from "../../src/core/generations.ts";
import type { Json } from "../../src/core/json.ts";
import { changesBytesMax } from "../../src/store/bounds.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import type { Store, StoreSize, Write } from "../../src/store/store.ts";
import { HandClock } from "../kit/hand-clock.ts";
import { spec } from "../kit/records.ts";
import { startTestRedis, type TestRedis } from "../store/redis-fixture.ts";

const kibibyte = 1_024;
const mebibyte = kibibyte * kibibyte;
const never = new AbortController().signal;
let redis: TestRedis;
let made = 0;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.close());

type Bounds = Parameters<TestRedis["store"]>[1];
const inMemory = async (bounds: Bounds = {}): Promise<Store> => new MemoryStore({ clock: new HandClock(), ...bounds });
const inRedis = (bounds: Bounds = {}): Promise<Store> => {
  made += 1;
  return redis.store(`{contents-${made}}:`, bounds);
};

/** A config of about so many bytes of JSON. */
const configOf = (bytes: number, mark = ""): Json => ({ mark, weights: Array.from({ length: bytes / kibibyte }, () => "w".repeat(1_020)) });
const recordOf = (userConfig: Json, name = "app", label = ""): DeploymentRecord =>
  firstRecord({ ...spec, name, userConfig, labels: { label } }, "u", 1);
const put = (value: DeploymentRecord, version: number): Write => ({ put: "deployment", key: value.spec.name, version, value });

async function writeAll(store: Store, writes: readonly Write[], options = {}): Promise<number> {
  const result = await store.commit(writes, options);
  if (result.kind !== "committed") throw new Error(result.kind);
  return result.positions.at(-1) ?? 0;
}

describe.each([
  ["in memory", inMemory],
  ["in Redis", inRedis],
])("a store %s", (_where, open) => {
  test("keeps a config once, whichever records, changes and answers refer to it", async () => {
    const store = await open();
    const userConfig = configOf(100 * kibibyte);
    const value = recordOf(userConfig);
    const { uid, configGeneration } = value;
    const of = { uid, deployment: "app", revision: 1 };
    const config: ConfigRecord = { ...of, generation: 1, maxOngoingRequests: 5, userConfig, author: "", atMs: 1 };
    await writeAll(
      store,
      [
        put(value, 0),
        { put: "revision", key: "app/1", version: 0, value: { ...of, spec: value.spec, configGeneration, createdAtMs: 1 } },
        { put: "config", key: "app/1", version: 0, value: config },
      ],
      { request: { id: "r", fingerprint: "f", answer: { answer: { deployment: { spec: { userConfig } } } } } },
    );
    const { contents, contentsBytes, changesBytes, answersBytes } = await store.size();
    expect({ contents, contentsBytes }).toEqual({ contents: 1, contentsBytes: JSON.stringify(userConfig).length });
    expect(changesBytes + answersBytes).toBeLessThan(10 * kibibyte);

    expect((await store.get("deployment", "app"))?.value).toEqual(value);
    const [revision] = (await store.list("revision", { limit: 1 })).entries;
    const [read] = (await store.list("config", { limit: 1 })).entries;
    expect(read?.value).toEqual(config);
    expect(revision?.value.spec).toEqual(value.spec);
    expect(revision?.value.spec.userConfig).toBe(read?.value.userConfig);
    expect(await store.changes(0, 0, never)).toMatchObject({ changes: [{ value }, {}, { value: config }] });
    expect(await store.recall("r", "f")).toEqual({ kind: "replayed", answer: { answer: { deployment: { spec: { userConfig } } } } });
  });

  test("stays flat over a thousand changes of one label of a deployment with a config of 900 KB", async () => {
    const store = await open();
    const userConfig = configOf(900 * kibibyte);
    let version = 0;
    for (let i = 0; i < 1_000; i++) {
      const request = { id: `r${i}`, fingerprint: "f", answer: { deployment: { spec: { userConfig, labels: { label: `${i}` } } } } };
      version = await writeAll(store, [put(recordOf(userConfig, "app", `${i}`), version)], { request });
    }
    expectSmall(await store.size(), 900 * kibibyte);
    expect((await store.get("deployment", "app"))?.value.spec).toMatchObject({ userConfig, labels: { label: "999" } });
  });

  test("stays flat over 100,000 changes of target of a deployment with a config of 1 MiB", async () => {
    const store = await open();
    const record = recordOf(configOf(mebibyte));
    const targetsAtOnce = 1_000;
    let version = 0;
    for (let first = 0; first < 100_000; first += targetsAtOnce) {
      const targets = Array.from({ length: targetsAtOnce }, (_, i) => ({ ...record, autoscaled: { target: first + i, sinceMs: 1 } }));
      version = await writeAll(
        store,
        targets.map((target) => put(target, version)),
      );
    }
    expect(version).toBe(100_000);
    const size = await store.size();
    expect(size.changes).toBeGreaterThan(10_000);
    expect(size.changesBytes).toBeLessThanOrEqual(changesBytesMax);
    expect(size).toMatchObject({ contents: 1, contentsBytes: JSON.stringify(record.spec.userConfig).length });
  });

  test("gives the memory of a config back when nothing refers to it", async () => {
    const store = await open({ changesBytesMax: 100 * kibibyte });
    const [first, second] = [recordOf(configOf(200 * kibibyte, "1")), recordOf(configOf(200 * kibibyte, "2"))];
    const version = await writeAll(store, [put(first, 0)]);
    expect(await store.size()).toMatchObject({ contents: 1, changes: 1 });
    const next = await writeAll(store, [put(second, version)]);
    expect(await store.size()).toMatchObject({ contents: 1, changes: 1 });
    expect((await store.get("deployment", "app"))?.value).toEqual(second);
    await writeAll(store, [{ delete: "deployment", key: "app", version: next }]);
    expect(await store.size()).toMatchObject({ contents: 0, contentsBytes: 0, changes: 1 });
  });

  test("keeps of deleted deployments no more than the bound of the changes", async () => {
    const store = await open();
    for (let i = 0; i < 50; i++) {
      const version = await writeAll(store, [put(recordOf(configOf(mebibyte, `${i}`), `app-${i}`), 0)]);
      await writeAll(store, [{ delete: "deployment", key: `app-${i}`, version }]);
    }
    const { changesBytes, contentsBytes, contents } = await store.size();
    expect(changesBytes).toBeLessThanOrEqual(changesBytesMax);
    expect(contentsBytes).toBeLessThanOrEqual(changesBytesMax);
    expect(contents).toBeGreaterThan(0);
    expect(await store.changes(0, 0, never)).toEqual({ kind: "lost", position: 100, rewound: false });
    expect(await store.changes(90, 0, never)).toMatchObject({ changes: { length: 10 } });
  });

  test("a config that one commit takes from a record and gives to another is kept", async () => {
    const store = await open({ changesBytesMax: 1 });
    const version = await writeAll(store, [put(recordOf(configOf(mebibyte), "a"), 0)]);
    await writeAll(store, [{ delete: "deployment", key: "a", version }, put(recordOf(configOf(mebibyte), "b"), 0)]);
    expect((await store.get("deployment", "b"))?.value).toEqual(recordOf(configOf(mebibyte), "b"));
    expect(await store.size()).toMatchObject({ contents: 1 });
  });

  test("the answers to requests have a bound in bytes; the oldest go first", async () => {
    const store = await open({ answersBytesMax: 2.5 * mebibyte });
    const request = (i: number) => ({ id: `r ${i}`, fingerprint: "f", answer: { spec: { userConfig: configOf(mebibyte, `${i}`) } } });
    for (let i = 0; i < 10; i++) await store.commit([], { request: request(i) });
    const { answersBytes, contents } = await store.size();
    expect(answersBytes).toBeLessThanOrEqual(2.5 * mebibyte);
    expect(contents).toBe(2);
    expect(await store.recall("r 7", "f")).toBeUndefined();
    expect(await store.recall("r 9", "f")).toEqual({ kind: "replayed", answer: request(9).answer });
  });

  test("an answer is replaced by another with the same config", async () => {
    const store = await open();
    const answerOf = (step: number): Json => ({ step, spec: { userConfig: configOf(mebibyte) } });
    const [begun, ended] = [answerOf(1), answerOf(2)];
    const request = { id: "r", fingerprint: "f" };
    await store.commit([], { request: { ...request, answer: begun } });
    expect((await store.commit([], { request: { ...request, answer: ended, replaces: begun } })).kind).toBe("committed");
    expect(await store.recall("r", "f")).toEqual({ kind: "replayed", answer: ended });
    expect(await store.size()).toMatchObject({ contents: 1 });
  });

  test("nothing is kept of a commit that writes nothing", async () => {
    const store = await open();
    expect((await store.commit([put(recordOf(configOf(mebibyte)), 7)])).kind).toBe("conflict");
    expect(await store.size()).toEqual({ changes: 0, changesBytes: 0, answersBytes: 0, contents: 0, contentsBytes: 0 });
  });
});

function expectSmall(size: StoreSize, configBytes: number): void {
  expect(size.contents).toBe(1);
  expect(size.contentsBytes).toBeLessThan(configBytes * 1.1);
  expect(size.changesBytes + size.answersBytes).toBeLessThan(3 * mebibyte);
}
