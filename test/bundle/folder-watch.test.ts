import { mkdir, mkdtemp, realpath, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { FolderWatch } from "../../src/bundle/folder-watch.ts";
import { realClock } from "../../src/clock/real.ts";
import { until } from "../kit/until.ts";

const clock = { nowMs: () => realClock.nowMs(), sleep: (ms: number, signal: AbortSignal) => realClock.sleep(ms, signal) };
const never = new AbortController().signal;
const found = (folders: readonly string[], ...leftOut: readonly string[]) =>
  folders.map((folder) => ({ folder, leavesOut: (name: string) => leftOut.includes(name) }));

async function watchOf(...names: readonly string[]) {
  const root = await realpath(await mkdtemp(join(tmpdir(), "drover-watch-")));
  const folders = [root, ...names.map((name) => join(root, name))];
  for (const folder of folders) await mkdir(folder, { recursive: true });
  const watch = new FolderWatch(clock);
  onTestFinished(async () => {
    watch.close();
    await rm(root, { recursive: true, force: true });
  });
  return { root, watch, folders };
}

test("a change of a file in a watched folder is noticed, also one before the wait for it", async () => {
  const { root, watch, folders } = await watchOf("lib");
  expect(watch.follow(found(folders))).toBe(true);
  expect(watch.follow(found(folders))).toBe(false);
  await writeFile(join(root, "lib", "a.ts"), "1");
  await until(() => watch.hasChanged);
  await watch.changed(never);
  expect(watch.hasChanged).toBe(false);
  const next = watch.changed(never);
  await writeFile(join(root, "lib", "new"), "2");
  await rename(join(root, "lib", "new"), join(root, "lib", "a.ts"));
  await next;
});

test("folders that are not given are not watched, and those no longer given neither", async () => {
  const { root, watch, folders } = await watchOf("lib", "node_modules");
  watch.follow(found(folders.slice(0, 2)));
  await writeFile(join(root, "node_modules", "a.js"), "1");
  await writeFile(join(root, "lib", "a.ts"), "1");
  await watch.changed(never);
  watch.follow(found([root]));
  await writeFile(join(root, "lib", "a.ts"), "2");
  await writeFile(join(root, "node_modules", "a.js"), "2");
  const quiet = new AbortController();
  const waiting = watch.changed(quiet.signal);
  // All earlier changes would have been noticed by the time that this one is.
  const other = new FolderWatch(clock);
  other.follow(found([join(root, "lib")]));
  await writeFile(join(root, "lib", "b.ts"), "3");
  await other.changed(never);
  other.close();
  expect(watch.hasChanged).toBe(false);
  quiet.abort();
  expect(await waiting).toBeUndefined();
});

test("what a folder leaves out is not noticed, what goes with the folder is", async () => {
  const { root, watch, folders } = await watchOf("lib");
  const lib = join(root, "lib");
  watch.follow(found(folders, ".app.ts.swp", "lib"));
  const waiting = watch.changed(never);
  await writeFile(join(lib, ".app.ts.swp"), "1");
  const other = new FolderWatch(clock);
  other.follow(found([lib]));
  await writeFile(join(lib, ".app.ts.swp"), "2");
  await other.changed(never);
  other.close();
  expect(watch.hasChanged).toBe(false);
  await rm(lib, { recursive: true });
  await waiting;
});

test("a storm of changes is noticed as few, and the wait for its end is bounded", async () => {
  const { root, watch, folders } = await watchOf();
  let sleeps = 0;
  const counted = new FolderWatch({
    ...clock,
    sleep: async (ms, signal) => {
      sleeps += 1;
      await realClock.sleep(ms, signal);
    },
  });
  onTestFinished(() => counted.close());
  watch.close();
  counted.follow(found(folders));
  const over = new AbortController();
  const storm = (async () => {
    for (let at = 0; !over.signal.aborted; at++) await writeFile(join(root, `f${at % 500}`), String(at));
  })();
  await counted.changed(never);
  over.abort();
  await storm;
  expect(sleeps).toBeLessThanOrEqual(20);
});

test("a folder that is deleted and comes again is watched again", async () => {
  const { root, watch } = await watchOf("app/lib");
  const app = join(root, "app");
  const both = [app, join(app, "lib")];
  watch.follow(found(both));
  await rm(app, { recursive: true });
  await watch.changed(never);
  expect(watch.follow(found(both))).toBe(true);
  await mkdir(app);
  await watch.changed(never);
  expect(watch.follow(found([app]))).toBe(true);
  await writeFile(join(app, "a.ts"), "1");
  await watch.changed(never);
});

test("another folder of the same path is watched in the place of the first", async () => {
  const { root, watch } = await watchOf("app");
  const app = join(root, "app");
  watch.follow(found([root, app]));
  await rename(app, join(root, "old"));
  await mkdir(app);
  await watch.changed(never);
  expect(watch.follow(found([root, app]))).toBe(true);
  await writeFile(join(app, "a.ts"), "1");
  await watch.changed(never);
});

test("an abort ends the wait", async () => {
  const { watch, folders } = await watchOf();
  watch.follow(found(folders));
  const quiet = new AbortController();
  const waiting = watch.changed(quiet.signal);
  quiet.abort();
  expect(await waiting).toBeUndefined();
});
