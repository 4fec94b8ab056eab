// What stores of bundles do when their disk or their Redis fails, or a controller is killed.
import { mkdtemp, readdir, rename, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { realRandom } from "../../src/clock/real.ts";
import { silentLog } from "../../src/log/log.ts";
import { bundleDigest } from "../../src/program/bundle-manifest.ts";
import { type BundleStore, unneededMs } from "../../src/store/bundle-store.ts";
import { openFolderBundles } from "../../src/store/folder-bundles.ts";
import { openRedisBundles } from "../../src/store/redis-bundles.ts";
import { HandClock } from "../kit/hand-clock.ts";
import { until } from "../kit/until.ts";
import { fileOf, put, sha256Of, textOf } from "./bundle-content.ts";
import { startTestRedis, type TestRedis } from "./redis-fixture.ts";

let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.close());

describe("bundles in a folder, with faults of its disk", () => {
  let folder: string;
  let store: BundleStore;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "drover-bundles-"));
    store = await openFolderBundles({ folder, clock: new HandClock() });
  });
  afterEach(async () => {
    await store.close();
    await rm(folder, { recursive: true, force: true });
  });

  test("an upload that takes the room which Redis needs is refused, and leaves nothing", async () => {
    const upload = await store.openUpload();
    await upload.begin({ sha256: sha256Of("one"), sizeBytes: 3 });
    await upload.write(Buffer.from("one"));
    const sizeBytes = Number.MAX_SAFE_INTEGER;
    await expect(upload.begin({ sha256: sha256Of("large"), sizeBytes })).rejects.toMatchObject({ reason: "STORAGE_FULL" });
    await upload.abort();
    expect(await readdir(join(folder, "uploads"))).toEqual([]);
    expect(await store.missingFiles([sha256Of("one")])).toHaveLength(1);
  });

  test("what a killed controller had not committed is gone with the next, and what it kept is there", async () => {
    await put(store, "one");
    const upload = await store.openUpload();
    await upload.begin({ sha256: sha256Of("two"), sizeBytes: 3 });
    await upload.write(Buffer.from("tw"));
    const next = await openFolderBundles({ folder, clock: new HandClock() });
    expect(await readdir(join(folder, "uploads"))).toEqual([]);
    expect(await next.missingFiles(["one", "two"].map(sha256Of))).toEqual([sha256Of("two")]);
    await upload.abort();
  });

  test("a folder that cannot be used is said, and does nothing to what is kept", async () => {
    await put(store, "one");
    const files = [fileOf("a", "one")];
    await store.createBundle(files);
    for (const name of ["files", "bundles"]) {
      await rename(join(folder, name), join(folder, "aside"));
      await symlink(join(folder, name), join(folder, name)); // ELOOP
      const calls = [
        () => (name === "files" ? store.missingFiles([sha256Of("one")]) : store.useBundle(bundleDigest(files))),
        () => (name === "files" ? put(store, "two") : store.bundle(bundleDigest(files))),
        () => (name === "files" ? textOf(store, sha256Of("one")) : store.createBundle(files)),
        () => store.sweep(new Set()),
      ];
      for (const call of calls) await expect(call()).rejects.toMatchObject({ reason: "STORE_UNAVAILABLE" });
      await rm(join(folder, name));
      await rename(join(folder, "aside"), join(folder, name));
    }
    expect(await store.bundle(bundleDigest(files))).toEqual(files);
    expect(await textOf(store, sha256Of("one"))).toBe("one");
  });
});

describe("bundles in Redis, with faults of Redis", () => {
  const open = (prefix = `{${realRandom.id(8)}}:`, clock = new HandClock()) => {
    const { socketPath } = redis.server;
    return openRedisBundles({ socketPath, prefix, clock, random: realRandom, log: silentLog });
  };

  test("what is used at one controller is kept for an hour, whichever controller sweeps", async () => {
    const clock = new HandClock();
    const prefix = `{${realRandom.id(8)}}:`;
    const [one, other] = await Promise.all([open(prefix, clock), open(prefix, clock)]);
    try {
      await put(one, "one");
      const none = { bundles: 0, files: 0 };
      await one.sweep(new Set());
      clock.pass(unneededMs);
      expect(await other.missingFiles([sha256Of("one")])).toEqual([]);
      expect(await other.sweep(new Set())).toEqual(none);
      expect(await one.sweep(new Set())).toEqual(none);
      clock.pass(unneededMs - 1);
      expect(await one.sweep(new Set())).toEqual(none);
      clock.pass(1);
      expect(await one.sweep(new Set())).toEqual({ bundles: 0, files: 1 });
      expect(await other.missingFiles([sha256Of("one")])).toHaveLength(1);
    } finally {
      await one.close();
      await other.close();
    }
  });

  test("what a killed controller had not committed expires", async () => {
    const prefix = `{${realRandom.id(8)}}:`;
    const store = await open(prefix);
    const client = new Redis(redis.server.socketPath);
    try {
      const upload = await store.openUpload();
      for (const text of ["", "one"]) {
        await upload.begin({ sha256: sha256Of(text), sizeBytes: text.length });
        if (text !== "") await upload.write(Buffer.from(text));
      }
      const places = await client.keys(`${prefix}bundles:*:*`);
      expect(places).toHaveLength(2);
      for (const place of places) expect(await client.ttl(place)).toBeGreaterThan(0);
      await upload.commit();
      for (const place of await client.keys(`${prefix}bundles:*:*`)) expect(await client.ttl(place)).toBe(-1);
    } finally {
      client.disconnect();
      await store.close();
    }
  });

  test("a full memory refuses the upload, and what is kept is still read", async () => {
    const store = await open();
    const client = new Redis(redis.server.socketPath);
    try {
      await put(store, "one");
      await client.config("SET", "maxmemory", "1");
      await expect(put(store, "two")).rejects.toMatchObject({ reason: "STORAGE_FULL" });
      expect(await textOf(store, sha256Of("one"))).toBe("one");
    } finally {
      await client.config("SET", "maxmemory", "0");
      client.disconnect();
      await store.close();
    }
  });

  test("a Redis that is away is said, and bundles are there again with it", async () => {
    const store = await open();
    try {
      await put(store, "one");
      await redis.server.close();
      await expect(store.missingFiles([sha256Of("one")])).rejects.toMatchObject({ reason: "STORE_UNAVAILABLE" });
      await redis.restart();
      await until(async () => (await store.missingFiles([sha256Of("one")]).catch(() => ["away"])).length === 0);
    } finally {
      await store.close();
    }
  });
});
