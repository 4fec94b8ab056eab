import { Redis } from "ioredis";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { DeploymentRecord } from "../../src/core/deployment.ts";
import { firstRecord } from "../../src/core/generations.ts";
import type { Write } from "../../src/store/store.ts";
import { spec } from "../kit/records.ts";
import { startTestRedis, type TestRedis } from "./redis-fixture.ts";

const never = new AbortController().signal;
const userConfig = { model: "m".repeat(2_000) };
const record = (label: string): DeploymentRecord => firstRecord({ ...spec, userConfig, labels: { label } }, "u", 1);
const put = (label: string, version: number): Write => ({ put: "deployment", key: "app", version, value: record(label) });

let redis: TestRedis;
let raw: Redis;
beforeEach(async () => {
  redis = await startTestRedis();
  raw = new Redis({ path: redis.server.socketPath });
});
afterEach(async () => {
  raw.disconnect();
  await redis.close();
});

/** What a version before contents were kept apart wrote: three changes of one deployment, and an answer. */
async function writeAsBefore(): Promise<void> {
  for (const position of [1, 2, 3]) {
    const json = JSON.stringify(record(String(position)));
    await raw.xadd("{c}:changes", `${position}-0`, "kind", "deployment", "key", "app", "at", `${position}`, "value", json);
    await raw.hset("{c}:deployment:objects", "app", `${position} ${json}`);
  }
  await raw.zadd("{c}:deployment:keys", 0, "app");
  await raw.set("{c}:revision", "3");
  await raw.hset("{c}:request:r", "fingerprint", "f", "answer", JSON.stringify({ answer: { deployment: record("3") } }));
}

test("what a version wrote that kept configs in the records is read, and kept apart once it is written again", async () => {
  await writeAsBefore();
  const store = await redis.store("{c}:");
  expect(await store.get("deployment", "app")).toEqual({ key: "app", version: 3, value: record("3") });
  expect(await store.changes(0, 0, never)).toMatchObject({ kind: "changes", changes: { length: 3 } });
  expect(await store.recall("r", "f")).toEqual({ kind: "replayed", answer: { answer: { deployment: record("3") } } });

  await store.commit([put("4", 3)]);
  expect(await store.changes(3, 0, never)).toMatchObject({ kind: "changes", changes: [{ position: 4, value: record("4") }] });
  expect(await raw.hget("{c}:deployment:objects", "app")).not.toContain("mmm");
  expect(await store.get("deployment", "app")).toEqual({ key: "app", version: 4, value: record("4") });
});

test("of the changes that a version wrote without counting their bytes only the last stays", async () => {
  await writeAsBefore();
  const store = await redis.store("{c}:");
  await store.commit([put("4", 3)]);
  expect(await store.changes(0, 0, never)).toEqual({ kind: "lost", position: 4, rewound: false });
  expect(await store.size()).toMatchObject({ changes: 2, contents: 1 });
});

test("a value that is gone from Redis is not taken for one that is absent", async () => {
  const store = await redis.store("{c}:");
  await store.commit([put("1", 0)]);
  await raw.del("{c}:contents");
  await expect(store.get("deployment", "app")).rejects.toMatchObject({ reason: "STORE_UNAVAILABLE" });
});

test("all that is kept of a deployment with a config goes with it", async () => {
  const store = await redis.store("{c}:", { changesBytesMax: 1 });
  await store.commit([put("1", 0)]);
  await store.commit([{ delete: "deployment", key: "app", version: 1 }]);
  expect(await raw.exists("{c}:contents", "{c}:holds")).toBe(0);
});
