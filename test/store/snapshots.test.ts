// The state in the data folder, for a start after Redis and all controllers lost it.
import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { silentLog } from "../../src/log/log.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import { Mirror } from "../../src/store/mirror.ts";
import { readSnapshot, type Snapshot, writeSnapshot } from "../../src/store/snapshot-file.ts";
import { contentOfSnapshot, Snapshots } from "../../src/store/snapshots.ts";
import { noContent, type Write } from "../../src/store/store.ts";
import { HandClock } from "../kit/hand-clock.ts";
import { deploymentRecord } from "../kit/records.ts";
import { until } from "../kit/until.ts";

let dataDir: string;
let path: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "drover-snapshot-"));
  path = join(dataDir, "snapshot.jsonl");
});
afterEach(() => rm(dataDir, { recursive: true }));

const object = (key: string) => ({ kind: "deployment" as const, entry: { key, version: 3, value: deploymentRecord(key) } });
const answer = { id: "r", fingerprint: "f", answer: "done", expiresAtMs: 5 };
const snapshot: Snapshot = {
  content: { position: 7, epoch: 9, requests: [answer], entries: [object("a\n"), object("b")] },
  writtenAtMs: 11,
};
const put = (key: string): Write => ({ put: "deployment", key, version: 0, value: deploymentRecord(key) });

test("what was written is read; the owner alone may read it", async () => {
  await writeSnapshot(path, snapshot);
  expect(await readSnapshot(path)).toEqual(snapshot);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(await readdir(dataDir)).toEqual(["snapshot.jsonl"]);
});

test("no file is no snapshot", async () => {
  expect(await readSnapshot(path)).toBeUndefined();
  expect(await contentOfSnapshot(dataDir, silentLog)).toBeUndefined();
});

test("a file that was cut, is damaged or is of a later version is refused with its path", async () => {
  await writeSnapshot(path, snapshot);
  const whole = await readFile(path, "utf8");
  const broken = [
    whole.slice(0, -20),
    whole.slice(0, whole.indexOf("\n") + 1),
    "",
    "{}",
    `\0${whole}`,
    whole.replace('"format":1', '"format":2'),
  ];
  for (const text of broken) {
    await writeFile(path, text);
    await expect(contentOfSnapshot(dataDir, silentLog), text.slice(0, 40)).rejects.toThrow(path);
  }
});

test("a state that is too large leaves the former file", async () => {
  await writeSnapshot(path, snapshot);
  const larger = { ...snapshot, content: { ...snapshot.content, entries: Array.from({ length: 100 }, (_, i) => object(`${i}`)) } };
  await expect(writeSnapshot(path, larger, 1_000)).rejects.toThrow(/1000 bytes/);
  expect(await readSnapshot(path)).toEqual(snapshot);
  expect(await readdir(dataDir)).toEqual(["snapshot.jsonl"]);
});

async function opened() {
  const clock = new HandClock();
  const store = new MemoryStore({ clock });
  const mirror = await Mirror.open({ store, clock, log: silentLog });
  const snapshots = new Snapshots({ dataDir, store, mirror, clock, log: silentLog });
  return { clock, store, mirror, snapshots };
}

test("it is written at most each 10 s, only after a change, and at the end", async () => {
  const { clock, store, mirror, snapshots } = await opened();
  await store.acquireLease("me", 3_600_000);
  await store.commit([put("a")]);
  await until(() => mirror.position === 1);
  await until(() => clock.pending >= 2);
  clock.pass(9_999);
  expect(await readdir(dataDir)).toEqual([]);
  clock.pass(1);
  await until(async () => (await readSnapshot(path))?.content.position === 1);
  expect((await readSnapshot(path))?.content.epoch).toBe((await store.controllers()).leader?.epoch);
  await truncate(path);
  for (let i = 0; i < 50; i++) clock.pass(1_000);
  await store.commit([put("b")]);
  await until(() => mirror.position === 2);
  expect((await stat(path)).size).toBe(0);
  await snapshots.close();
  expect((await readSnapshot(path))?.content.position).toBe(2);
  await mirror.close();
});

test("a store that came back empty is no reason to overwrite what is known of it", async () => {
  const { store, mirror, snapshots } = await opened();
  await writeSnapshot(path, snapshot);
  await store.commit([put("a")]);
  await until(() => mirror.position === 1);
  store.empty();
  await snapshots.close();
  expect(await readSnapshot(path)).toEqual(snapshot);
  await mirror.close();
});

test("a state from a snapshot goes on at a position that no lost change had", async () => {
  await writeSnapshot(path, snapshot);
  const content = (await contentOfSnapshot(dataDir, silentLog)) ?? noContent;
  expect(content.position).toBeGreaterThan(snapshot.content.position + 100_000);
  const { store, mirror, snapshots } = await opened();
  store.empty();
  await store.fill(content);
  await store.commit([put("c")]);
  await mirror.catchUp();
  expect([...mirror.deployments().keys()]).toEqual(["a\n", "b", "c"]);
  await snapshots.close();
  await mirror.close();
});
