// Files and bundles over a store in a folder and real gRPC.
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { bundleDigest } from "../../src/program/bundle-manifest.ts";
import { HandClock } from "../kit/hand-clock.ts";
import { until } from "../kit/until.ts";
import { type OpenedApi, openApi } from "./opened-api.ts";
import { filesOf, type Piece, piecesOf, sendBundle, sha256Of, streamOf } from "./sent-bundle.ts";

const MiB = 2 ** 20;
let clock: HandClock;
let opened: OpenedApi;

beforeEach(async () => {
  clock = new HandClock();
  opened = await openApi(undefined, clock);
});
afterEach(() => opened.close());

const controller = () => opened.controller;
const upload = (pieces: Iterable<Piece> | AsyncIterable<Piece>, options = {}) => controller().uploadFiles(streamOf(pieces), options);
const missing = async (...sha256: string[]) => (await controller().findMissingFiles({ sha256 })).sha256;
const staged = () => readdir(join(opened.bundlesFolder, "uploads"));
/** A caller that sends these pieces, and then nothing until it leaves. */
async function* stuckAfter(pieces: readonly Piece[], leaves = new AbortController().signal): AsyncGenerator<Piece> {
  yield* pieces;
  await new Promise((resolve) => leaves.addEventListener("abort", resolve));
}

async function downloaded(bundle: string, more: { path?: string; listOnly?: boolean } = {}): Promise<Record<string, string>> {
  const contents: Record<string, string> = {};
  let path = "";
  for await (const { part } of controller().downloadBundle({ bundle, ...more })) {
    if (part.case === "file") path = part.value.path;
    contents[path] = (contents[path] ?? "") + (part.case === "data" ? Buffer.from(part.value).toString() : "");
  }
  return contents;
}

test("what is sent comes back, by a digest that the client can compute", async () => {
  const contents = { "src/app.ts": "export {}", "src/ä.txt": "", "data/large.bin": "x".repeat(3 * MiB + 1) };
  const digest = await sendBundle(controller(), contents);
  expect(digest).toBe(
    bundleDigest(filesOf(contents).map(({ size, ...file }) => ({ ...file, executable: false, sizeBytes: Number(size) }))),
  );
  const listed = await downloaded(digest, { listOnly: true });
  expect(Object.keys(listed)).toEqual(["data/large.bin", "src/app.ts", "src/ä.txt"]);
  expect(await downloaded(digest)).toEqual(contents);
  expect(await downloaded(digest, { path: "src/app.ts" })).toEqual({ "src/app.ts": "export {}" });
  await expect(downloaded(digest, { path: "src" })).rejects.toMatchObject({ code: "NOT_FOUND", reason: "FILE_NOT_FOUND" });
  await expect(downloaded(`sha256:${sha256Of("other")}`)).rejects.toMatchObject({ code: "NOT_FOUND", reason: "BUNDLE_NOT_FOUND" });
});

test("a content is stored once, and only what is missing need be sent", async () => {
  await sendBundle(controller(), { a: "same", b: "same", c: "other" });
  expect(await readdir(join(opened.bundlesFolder, "files"))).toHaveLength(2);
  expect(await missing(sha256Of("new"), sha256Of("same"), sha256Of("new"))).toEqual([sha256Of("new")]);
  const files = filesOf({ a: "same", b: "new" });
  await expect(controller().createBundle({ files })).rejects.toMatchObject({ code: "FAILED_PRECONDITION", reason: "FILES_MISSING" });
});

describe("a hostile upload is refused by field, and leaves nothing", () => {
  const [first] = piecesOf("content") as [Piece];
  const zeros = new Uint8Array(2 * MiB);
  const size = 2n ** 53n;
  test.each<[string, Iterable<Piece>, object]>([
    ["a piece before a first one", [{ data: Buffer.from("x") }], { field: "sha256" }],
    ["a digest that is none", [{ ...first, sha256: "A".repeat(64) }], { field: "sha256" }],
    ["a size below 0", [{ ...first, size: -1n }], { field: "size" }],
    ["a size of 2^53", [{ ...first, size }], { field: "size" }],
    ["a size in a second piece", [first, { size: 7n, data: Buffer.from("x") }], { field: "size" }],
    ["a piece above 1 MiB", [{ sha256: sha256Of(zeros), size: BigInt(zeros.length), data: zeros }], { field: "data" }],
    ["empty pieces without an end", endless({ data: new Uint8Array() }), { field: "data" }],
    ["another digest", [{ ...first, sha256: sha256Of("x") }], { reason: "DIGEST_MISMATCH" }],
    ["a larger size than content", [{ ...first, size: 8n }], { reason: "DIGEST_MISMATCH" }],
    ["content without an end", endless({ data: new Uint8Array(MiB) }), { reason: "DIGEST_MISMATCH" }],
    ["a broken file before a good one", [{ ...first, size: 8n }, ...piecesOf("x")], { reason: "DIGEST_MISMATCH" }],
  ])("%s", async (_, pieces, wrong) => {
    const good = piecesOf("good");
    const refused = "field" in wrong ? { reason: "INVALID_FIELD", facts: { violations: [wrong] } } : wrong;
    await expect(upload(after(_.includes("before a first") ? [] : good, capped(pieces)))).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      ...refused,
    });
    expect(await missing(sha256Of("good"), sha256Of("content"))).toHaveLength(2);
    expect(await staged()).toEqual([]);
  });

  function* endless(piece: Piece): Generator<Piece> {
    yield first;
    for (;;) yield piece;
  }
  function* after(before: Iterable<Piece>, pieces: Iterable<Piece>): Generator<Piece> {
    yield* before;
    yield* pieces;
  }
  /** More than any bound. */
  function* capped(pieces: Iterable<Piece>): Generator<Piece> {
    let count = 0;
    for (const piece of pieces) {
      if (count++ > 1_000_000) throw new Error("never refused");
      yield piece;
    }
  }
});

test.each<[string, object, RegExp]>([
  ["path", { path: "../a" }, /^files\[1\].path$/],
  ["absolute path", { path: "/a" }, /path$/],
  ["path of a folder that is a file", { path: "good/a" }, /path$/],
  ["path in another case", { path: "GOOD" }, /path$/],
  ["size", { size: -(2n ** 63n) }, /size$/],
  ["size beyond every number", { size: 2n ** 63n - 1n }, /size$/],
  ["size that the file does not have", { size: 0n }, /^files\[1\].size$/],
  ["digest", { sha256: "abc" }, /sha256$/],
])("a list with a wrong %s makes no bundle", async (_, wrong, field) => {
  await upload(piecesOf("good"));
  const [good] = filesOf({ good: "good" });
  const made = controller().createBundle({ files: [good!, { ...good!, path: "other", ...wrong }] });
  await expect(made).rejects.toMatchObject({ reason: "INVALID_FIELD", facts: { violations: [{ field: expect.stringMatching(field) }] } });
  expect(await readdir(join(opened.bundlesFolder, "bundles"))).toEqual([]);
});

test("a caller that leaves in the middle leaves nothing", async () => {
  const leaves = new AbortController();
  const call = upload(stuckAfter([...piecesOf("whole"), { sha256: sha256Of("x"), size: 9n, data: Buffer.from("x") }]), {
    signal: leaves.signal,
  });
  await until(async () => (await staged()).length === 1);
  leaves.abort();
  await expect(call).rejects.toMatchObject({ code: "CANCELLED" });
  await until(async () => (await staged()).length === 0);
  expect(await missing(sha256Of("whole"))).toHaveLength(1);
});

test("a caller that says nothing for a minute is cut off", async () => {
  const quiet = upload(stuckAfter(piecesOf("whole"))).catch((error: unknown) => error);
  await until(() => clock.pending === 1);
  clock.pass(59_999);
  clock.pass(1);
  expect(await quiet).toMatchObject({ code: "DEADLINE_EXCEEDED", reason: "DEADLINE" });
  await until(async () => (await staged()).length === 0);
});

test("a reader that takes nothing for a minute is cut off", async () => {
  const digest = await sendBundle(controller(), { large: "x".repeat(32 * MiB) });
  const reader = controller().downloadBundle({ bundle: digest })[Symbol.asyncIterator]();
  await reader.next();
  // Between two parts of the file, no timer waits for a moment.
  let over = 0;
  await until(() => {
    clock.pass(10_000);
    over = clock.pending === 0 ? over + 1 : 0;
    return over === 20;
  });
  const rest = async () => {
    while (!(await reader.next()).done);
  };
  await expect(rest()).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED", reason: "DEADLINE" });
});

test("8 uploads are in work at a time, 192 wait unread, and more are refused until there is room", async () => {
  const leaves = new AbortController();
  const own = (index: number) => piecesOf(`content ${index}`);
  const stuck = Array.from({ length: 8 }, (_, index) => upload(stuckAfter(own(index), leaves.signal)));
  await until(async () => (await staged()).length === 8);
  const waiting = Array.from({ length: 192 }, (_, index) => upload(own(8 + index)));
  await until(async () => {
    const refused = await upload(own(1_000)).then(
      () => false,
      ({ reason }) => reason === "QUEUE_FULL",
    );
    return refused;
  });
  expect(await staged()).toHaveLength(8);
  leaves.abort();
  const all = await Promise.all([...stuck, ...waiting]);
  expect(all.every(({ files }) => files === 1)).toBe(true);
  expect(await missing(...Array.from({ length: 200 }, (_, index) => sha256Of(`content ${index}`)))).toEqual([]);
});
