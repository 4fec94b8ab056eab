// What every store of bundles does.
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { realRandom } from "../../src/clock/real.ts";
import { hexOf } from "../../src/core/bundle.ts";
import { silentLog } from "../../src/log/log.ts";
import { bundleDigest } from "../../src/program/bundle-manifest.ts";
import { type BundleStore, unneededMs } from "../../src/store/bundle-store.ts";
import { openFolderBundles } from "../../src/store/folder-bundles.ts";
import { openRedisBundles } from "../../src/store/redis-bundles.ts";
import { HandClock } from "../kit/hand-clock.ts";
import { fileOf, put, sha256Of, textOf } from "../store/bundle-content.ts";
import { startTestRedis, type TestRedis } from "../store/redis-fixture.ts";

interface Opened {
  readonly store: BundleStore;
  /** Damages what is stored: its text is `text`, or it is gone. */
  damage(kind: "file" | "bundle", hex: string, text: string | undefined): Promise<void>;
  /** Everything that is stored, by its place. */
  places(): Promise<readonly string[]>;
  close(): Promise<void>;
}

let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.close());

const stores: readonly (readonly [string, (clock: HandClock) => Promise<Opened>])[] = [
  [
    "in a folder",
    async (clock) => {
      const folder = await mkdtemp(join(tmpdir(), "drover-bundles-"));
      const store = await openFolderBundles({ folder, clock });
      const places = async () => (await readdir(folder, { recursive: true })).filter((path) => path.includes("/"));
      const damage: Opened["damage"] = async (kind, hex, text) => {
        const path = join(folder, `${kind}s`, hex);
        await rm(path);
        if (text !== undefined) await writeFile(path, text);
      };
      return {
        store,
        places,
        damage,
        close: async () => {
          await store.close();
          await rm(folder, { recursive: true, force: true });
        },
      };
    },
  ],
  [
    "in Redis",
    async (clock) => {
      const prefix = `{${realRandom.id(8)}}:`;
      const { socketPath } = redis.server;
      const store = await openRedisBundles({ socketPath, prefix, clock, random: realRandom, log: silentLog });
      const client = new Redis(socketPath);
      const places = async () => (await client.keys(`${prefix}bundles:*:*`)).map((key) => key.slice(prefix.length));
      const damage: Opened["damage"] = async (kind, hex, text) => {
        const key = `${prefix}bundles:${kind}:${hex}`;
        await client.del(key);
        if (text !== undefined) await (kind === "file" ? client.rpush(key, text) : client.set(key, text));
      };
      return {
        store,
        places,
        damage,
        close: async () => {
          await store.close();
          client.disconnect();
        },
      };
    },
  ],
];

describe.each(stores)("bundles %s", (_, open) => {
  let clock: HandClock;
  let opened: Opened;
  let store: BundleStore;
  beforeEach(async () => {
    clock = new HandClock();
    opened = await open(clock);
    store = opened.store;
  });
  afterEach(() => opened.close());

  test("a file that was uploaded is not missing, and has its content", async () => {
    const large = "x".repeat(1_000_000);
    expect(await store.missingFiles(["one", large, ""].map(sha256Of))).toEqual(["one", large, ""].map(sha256Of));
    await put(store, "one", large, "");
    expect(await store.missingFiles([...["one", large, ""], "two"].map(sha256Of))).toEqual([sha256Of("two")]);
    expect(await textOf(store, sha256Of("one"))).toBe("one");
    expect(await textOf(store, sha256Of(large))).toBe(large);
    expect(await textOf(store, sha256Of(""))).toBe("");
  });

  test("an upload that is aborted leaves nothing", async () => {
    const upload = await store.openUpload();
    await upload.begin({ sha256: sha256Of("one"), sizeBytes: 3 });
    await upload.write(Buffer.from("one"));
    await upload.begin({ sha256: sha256Of("two"), sizeBytes: 3 });
    await upload.write(Buffer.from("t"));
    expect(await store.missingFiles([sha256Of("one")])).toEqual([sha256Of("one")]);
    await upload.abort();
    expect(await store.missingFiles([sha256Of("one"), sha256Of("two")])).toHaveLength(2);
    expect(await opened.places()).toEqual([]);
  });

  test("a file that is uploaded twice, also at the same time, is kept once", async () => {
    const uploads = await Promise.all([store.openUpload(), store.openUpload()]);
    for (const upload of uploads) {
      await upload.begin({ sha256: sha256Of("one"), sizeBytes: 3 });
      await upload.write(Buffer.from("one"));
    }
    for (const upload of uploads) await upload.commit();
    await put(store, "one", "one");
    expect(await textOf(store, sha256Of("one"))).toBe("one");
    expect(await opened.places()).toHaveLength(1);
  });

  test("a bundle needs all its files, and has the digest of its list", async () => {
    const files = [fileOf("b", "two"), fileOf("a", "one")];
    expect(await store.createBundle(files)).toEqual({ kind: "missing", sha256s: expect.arrayContaining(["one", "two"].map(sha256Of)) });
    expect(await store.useBundle(bundleDigest(files))).toBe(false);
    expect(await store.bundle(bundleDigest(files))).toBeUndefined();
    await put(store, "one", "two");
    for (let times = 0; times < 2; times++)
      expect(await store.createBundle(files)).toEqual({ kind: "created", digest: bundleDigest(files) });
    expect(await store.useBundle(bundleDigest(files))).toBe(true);
    expect(await store.bundle(bundleDigest(files))).toEqual(files.toReversed());
  });

  test("a bundle is not made with another size than its file has", async () => {
    await put(store, "one");
    const files = [{ ...fileOf("a", "one"), sizeBytes: 4 }];
    expect(await store.createBundle(files)).toEqual({ kind: "otherSize", sha256: sha256Of("one"), sizeBytes: 3 });
    expect(await store.useBundle(bundleDigest(files))).toBe(false);
  });

  test.each([
    ["has other bytes", "onf"],
    ["is shorter", "on"],
    ["is longer", "once"],
    ["is empty", ""],
    ["is gone", undefined],
  ])("a file that %s is not handed out, and an upload mends it", async (_, text) => {
    await put(store, "one", "two");
    const files = [fileOf("a", "one"), fileOf("b", "two")];
    await store.createBundle(files);
    await opened.damage("file", sha256Of("one"), text);
    await expect(textOf(store, sha256Of("one"))).rejects.toThrow();
    expect(await store.missingFiles(files.map(({ sha256 }) => sha256))).toEqual([sha256Of("one")]);
    expect(await store.createBundle(files)).toEqual({ kind: "missing", sha256s: [sha256Of("one")] });
    await put(store, "one");
    expect(await textOf(store, sha256Of("one"))).toBe("one");
    expect(await store.createBundle(files)).toMatchObject({ kind: "created" });
  });

  test("a bundle whose list is broken is not kept, and is made again", async () => {
    await put(store, "one");
    const digest = bundleDigest([fileOf("a", "one")]);
    for (const list of ["", `drover bundle 1\n${sha256Of("one")} 3 - b\n`]) {
      await store.createBundle([fileOf("a", "one")]);
      await opened.damage("bundle", hexOf(digest), list);
      expect(await store.bundle(digest)).toBeUndefined();
      expect(await store.useBundle(digest)).toBe(false);
    }
    await store.createBundle([fileOf("a", "one")]);
    expect(await store.bundle(digest)).toEqual([fileOf("a", "one")]);
  });

  test("a needed bundle stays, however often is swept", async () => {
    await put(store, "one");
    const files = [fileOf("a", "one")];
    await store.createBundle(files);
    for (let times = 0; times < 5; times++) {
      expect(await store.sweep(new Set([bundleDigest(files)]))).toEqual({ bundles: 0, files: 0 });
      clock.pass(unneededMs);
    }
    expect(await textOf(store, sha256Of("one"))).toBe("one");
  });

  test("what nothing needs goes an hour after its last use, a bundle before its files", async () => {
    await put(store, "one", "other");
    const files = [fileOf("a", "one")];
    await store.createBundle(files);
    await store.sweep(new Set());
    clock.pass(unneededMs - 1);
    await store.missingFiles([sha256Of("other")]); // a use
    expect(await store.sweep(new Set())).toEqual({ bundles: 0, files: 0 });
    clock.pass(1);
    expect((await store.sweep(new Set())).bundles).toBe(1);
    expect(await store.bundle(bundleDigest(files))).toBeUndefined();
    for (let times = 0; times < 3; times++) {
      clock.pass(unneededMs);
      await store.sweep(new Set());
    }
    expect(await store.missingFiles(["one", "other"].map(sha256Of))).toHaveLength(2);
    expect(await opened.places()).toEqual([]);
  });

  test("a bundle that is used is kept for another hour", async () => {
    await put(store, "one");
    const files = [fileOf("a", "one")];
    await store.createBundle(files);
    for (let times = 0; times < 4; times++) {
      await store.sweep(new Set());
      clock.pass(unneededMs - 1);
      expect(await store.useBundle(bundleDigest(files))).toBe(true);
    }
    expect(await textOf(store, sha256Of("one"))).toBe("one");
  });

  test("whatever happens at the same time, kept bundles have all their files, and needed ones are kept", { timeout: 60_000 }, async () => {
    const some = fc.subarray(["a", "b", "c", "d"], { minLength: 1 });
    const step = fc.oneof(
      fc.record({ kind: fc.constantFrom("put" as const, "create" as const, "deploy" as const, "delete" as const), texts: some }),
      fc.record({ kind: fc.constant("sweep" as const), texts: some }),
      fc.record({ kind: fc.constant("wait" as const), ms: fc.constantFrom(unneededMs / 2, unneededMs) }),
    );
    const bundleOf = (of: readonly string[]) => of.map((text) => fileOf(`${text}.txt`, text));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(step, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 8 }), async (rounds) => {
        const made = new Set<string>();
        const needed = new Set<string>();
        for (const round of rounds) {
          for (const one of round) if (one.kind === "wait") clock.pass(one.ms);
          await Promise.all(
            round.map(async (one) => {
              if (one.kind === "wait") return;
              const digest = bundleDigest(bundleOf(one.texts));
              if (one.kind === "put") await put(store, ...one.texts);
              if (one.kind === "create" && (await store.createBundle(bundleOf(one.texts))).kind === "created") made.add(digest);
              // A sweep that began before knows nothing of it.
              if (one.kind === "deploy" && (await store.useBundle(digest))) needed.add(digest);
              if (one.kind === "delete") needed.delete(digest);
              if (one.kind === "sweep") await store.sweep(new Set(needed));
            }),
          );
          for (const digest of made) {
            const files = await store.bundle(digest);
            if (needed.has(digest)) expect(files).toBeDefined();
            for (const { sha256 } of files ?? []) expect(await textOf(store, sha256)).toHaveLength(1);
          }
        }
      }),
      { numRuns: 60 },
    );
  });
});
