import { appendFile, chmod, mkdir, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { ControllerService } from "../../gen/drover/v1/controller_service_pb.ts";
import { BundleError } from "../../src/bundle/bundle-error.ts";
import { FileDigests } from "../../src/bundle/file-digests.ts";
import { readBundle, type SendOptions, sendBundle } from "../../src/bundle/send-bundle.ts";
import { realClock } from "../../src/clock/real.ts";
import type { BundleBounds } from "../../src/core/bundle.ts";
import { refusal, StatusError } from "../../src/core/errors.ts";
import { silentLog } from "../../src/log/log.ts";
import { bundleDigest } from "../../src/program/bundle-manifest.ts";
import { Channel } from "../../src/rpc/channel.ts";
import { RpcServer } from "../../src/rpc/server.ts";
import { implement, type ServiceHandlers } from "../../src/rpc/service.ts";
import { BundleService } from "../kit/bundle-service.ts";
import { temporaryFolder } from "../replica/harness.ts";

type Handlers = Partial<ServiceHandlers<typeof ControllerService>>;

/** A folder with files, and how it is sent to a controller that keeps bundles. `own` stands before its handlers. */
async function sending(
  files: Readonly<Record<string, string>>,
  own: (service: BundleService) => Handlers = () => ({}),
  bounds: Partial<BundleBounds> = {},
) {
  const root = await temporaryFolder();
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(root, path, ".."), { recursive: true });
    await writeFile(join(root, path), text);
  }
  const service = new BundleService(bounds);
  const others = Object.fromEntries(ControllerService.methods.map(({ localName }) => [localName, () => Promise.reject(Error(localName))]));
  const handlers = { ...others, ...service.handlers, ...own(service) } as unknown as ServiceHandlers<typeof ControllerService>;
  const server = new RpcServer({ implementations: [implement(ControllerService, handlers)], log: silentLog, clock: realClock });
  const channel = new Channel(await server.listen(`unix:${join(await temporaryFolder(), "api.sock")}`));
  onTestFinished(async () => {
    channel.close();
    await server.close(0);
  });
  const begun: { readonly missing: number; readonly all: number }[] = [];
  const progress: number[] = [];
  const waits: number[] = [];
  const end = new AbortController();
  const options: SendOptions = {
    controller: channel.client(ControllerService),
    call: () => ({ signal: end.signal, deadlineMs: 30_000 }),
    sleep: async (ms) => void waits.push(ms),
    events: {
      onBegin: (missing, all) => begun.push({ missing: missing.length, all: all.length }),
      onProgress: (bytes) => progress.push(bytes),
    },
  };
  const send = (more: Partial<SendOptions> = {}) => sendBundle(root, { ...options, ...more });
  return { root, service, options, send, begun, progress, waits, end };
}

const failureOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );

test("a folder is sent once; then only the contents that the controller lacks", async () => {
  const { root, service, send, begun, progress } = await sending({ "app.ts": "1", "copy.ts": "1", "sub/b.txt": "two", empty: "" });
  await chmod(join(root, "sub/b.txt"), 0o755);
  const first = await send();
  expect(service.filesOf(first.digest)).toEqual({ "app.ts": "1", "copy.ts": "1", empty: "", "sub/b.txt*": "two" });
  expect(first.digest).toBe(bundleDigest(first.files));
  expect(service.uploads.map((files) => files.length)).toEqual([3]);
  expect(progress.at(-1)).toBe(4);
  expect((await send()).digest).toBe(first.digest);
  expect(service.uploads).toHaveLength(1);
  await writeFile(join(root, "app.ts"), "3");
  const third = await send();
  expect(third.digest).not.toBe(first.digest);
  expect(service.uploads.map((files) => files.length)).toEqual([3, 1]);
  expect(begun).toEqual([
    { missing: 3, all: 4 },
    { missing: 0, all: 4 },
    { missing: 1, all: 4 },
  ]);
});

test("the digest is of the files alone: not of the folder's name, the order or the times", async () => {
  const one = await sending({ a: "1", "b/c": "2" });
  const other = await sending({ "b/c": "2", a: "1" });
  expect((await one.send()).digest).toBe((await other.send()).digest);
});

test("one call has at most 1,000 files, and a lost connection costs one call", async () => {
  const files = Object.fromEntries(Array.from({ length: 1_001 }, (_, index) => [`f${index}`, String(index)]));
  let calls = 0;
  const { service, send, progress, waits } = await sending(files, ({ handlers }) => ({
    async uploadFiles(pieces, context) {
      calls += 1;
      if (calls !== 1) return handlers.uploadFiles(pieces, context);
      for await (const _ of pieces) throw new StatusError("UNAVAILABLE", "the connection was lost");
      return {};
    },
  }));
  const { digest } = await send();
  expect(service.bundles.get(digest)).toHaveLength(1_001);
  expect(service.uploads.map((sent) => sent.length)).toEqual([1_000, 1]);
  expect(calls).toBe(3);
  expect(waits).toHaveLength(1);
  expect(progress.at(-1)).toBe(Object.values(files).reduce((sum, text) => sum + text.length, 0));
});

test("a connection that is lost each time ends the upload with that error", async () => {
  const { send, waits } = await sending({ a: "1" }, () => ({
    uploadFiles: () => Promise.reject(new StatusError("UNAVAILABLE", "the connection was lost")),
  }));
  expect(await failureOf(send())).toMatchObject({ code: "UNAVAILABLE" });
  expect(waits).toEqual([250, 500]);
});

test("an error of the controller is not tried again", async () => {
  let calls = 0;
  const { send } = await sending({ a: "1" }, () => ({
    uploadFiles() {
      calls += 1;
      throw refusal("STORAGE_FULL", "the disk is full");
    },
  }));
  expect(await failureOf(send())).toMatchObject({ code: "RESOURCE_EXHAUSTED", reason: "STORAGE_FULL" });
  expect(calls).toBe(1);
});

test("files that the controller dropped meanwhile are sent again", async () => {
  let calls = 0;
  const { service, send } = await sending({ a: "1", b: "2" }, (kept) => ({
    createBundle(request, context) {
      calls += 1;
      if (calls === 1) kept.contents.clear();
      return kept.handlers.createBundle(request, context);
    },
  }));
  const { digest } = await send();
  expect(service.filesOf(digest)).toEqual({ a: "1", b: "2" });
  expect(service.uploads).toHaveLength(2);
});

test.each([
  ["is written to", (file: string) => writeFile(file, "!".repeat(700_000))],
  ["is cut", (file: string) => truncate(file, 600_000)],
  ["goes", (file: string) => rm(file)],
])("a file that %s between its digest and its upload is read again", async (_, change) => {
  let asked = 0;
  const { root, service, options, send } = await sending({ "a.txt": "1", "b.bin": "b".repeat(700_000) }, ({ handlers }) => ({
    async findMissingFiles(request, context) {
      asked += 1;
      if (asked === 1) await change(join(root, "b.bin"));
      return handlers.findMissingFiles(request, context);
    },
  }));
  const { digest } = await send();
  const now = await readBundle(root, options);
  expect(digest).toBe(bundleDigest(now.files));
  expect(Object.keys(service.filesOf(digest)).toSorted()).toEqual(now.files.map(({ path }) => path).toSorted());
  expect(service.uploads).toHaveLength(1);
});

test("a file that grows while it is sent is sent as it was", async () => {
  const { root, service, send } = await sending({ "log.txt": "1" }, ({ handlers }) => ({
    async findMissingFiles(request, context) {
      await appendFile(join(root, "log.txt"), "2");
      return handlers.findMissingFiles(request, context);
    },
  }));
  expect(service.filesOf((await send()).digest)).toEqual({ "log.txt": "1" });
});

test("a file that changes each time is named", async () => {
  let text = "a";
  const { root, service, send } = await sending({ "log.txt": "0", app: "1" }, ({ handlers }) => ({
    async findMissingFiles(request, context) {
      text = `x${text}`;
      await writeFile(join(root, "log.txt"), text);
      return handlers.findMissingFiles(request, context);
    },
  }));
  const failure = await failureOf(send());
  expect(failure).toBeInstanceOf(BundleError);
  expect(String(failure)).toMatch(/log\.txt.*\.droverignore/);
  expect(service.bundles.size).toBe(0);
});

test("the bounds of the controller are checked before anything is sent", async () => {
  const { service, send, begun } = await sending({ a: "12345" }, undefined, { fileBytesMax: 4 });
  const failure = await failureOf(send());
  expect(failure).toBeInstanceOf(BundleError);
  expect(String(failure)).toMatch(/a \(5 bytes\).*4 bytes/);
  expect(begun).toEqual([]);
  expect(service.uploads).toEqual([]);
});

test("an upload that is interrupted ends at once, and leaves nothing", async () => {
  const { service, send, end } = await sending({ a: "1" }, () => ({
    async uploadFiles(pieces) {
      for await (const _ of pieces) end.abort();
      return {};
    },
  }));
  expect(await failureOf(send())).toMatchObject({ code: "CANCELLED" });
  expect(service.contents.size).toBe(0);
});

test("digests are computed once for files that stay as they are, and again for those that were just written", async () => {
  let wallMs = 0;
  const digests = new FileDigests(() => wallMs);
  const { root } = await sending({ a: "1", b: "2" });
  const found = ["a", "b"].map((path) => ({ path, file: join(root, path), sizeBytes: 1 }));
  const { signal } = new AbortController();
  wallMs = Date.now();
  expect(await digests.digest(found, signal)).toMatchObject([{ path: "a" }, { path: "b" }]);
  wallMs += 3_600_000;
  const before = await digests.digest(found, signal);
  await chmod(join(root, "b"), 0o755);
  await writeFile(join(root, "a"), "9");
  const after = await digests.digest(found, signal);
  expect(after.map(({ sha256, executable }) => ({ sha256, executable }))).toEqual([
    { sha256: expect.not.stringMatching(before[0]?.sha256 ?? ""), executable: false },
    { sha256: before[1]?.sha256, executable: true },
  ]);
});
