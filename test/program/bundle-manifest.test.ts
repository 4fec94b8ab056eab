import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { BundleFile } from "../../src/core/bundle.ts";
import { bundleDigest, bundlePathProblem, bundleProblems, manifestText, readManifest } from "../../src/program/bundle-manifest.ts";

const MiB = 2 ** 20;
const bounds = { filesMax: 10_000, fileBytesMax: MiB, bundleBytesMax: 2 * MiB };
const file = (path: string, more: Partial<BundleFile> = {}): BundleFile => ({
  ...{ path, executable: false, sizeBytes: 1, sha256: "0".repeat(64), ...more },
});
const wrong = (...paths: readonly string[]) =>
  bundleProblems(
    paths.map((path) => file(path)),
    bounds,
  ).map(({ index }) => index);

test("the digest is that of the list in the proto's comment, whatever the order", () => {
  const files = [file("b", { executable: true, sizeBytes: 2 }), file("a/ä"), file("a/\u{1f600}"), file("a/\uffee")];
  const zeros = "0".repeat(64);
  const text = `drover bundle 1\n${zeros} 1 - a/ä\n${zeros} 1 - a/\uffee\n${zeros} 1 - a/\u{1f600}\n${zeros} 2 x b\n`;
  expect(manifestText(files)).toBe(text);
  expect(bundleDigest(files.toReversed())).toBe(`sha256:${createHash("sha256").update(text).digest("hex")}`);
  expect(manifestText(readManifest(text))).toBe(text);
});

test.each(["", "/a", "a/", "a//b", ".", "..", "a/../b", "./a", "a/.", "a\0", "a\nb", "a\\b", "\ud800", "a".repeat(256), "a/".repeat(600)])(
  "%j is no path inside a bundle",
  (path) => expect(bundlePathProblem(path)).toBeDefined(),
);

test.each(["a", ".a", "a.", "...", "..a/b", " ", "ä/ö", "a".repeat(255), "\u{1f600}".repeat(63), "a b/c:d"])(
  "%j is a path inside a bundle",
  (path) => expect(bundlePathProblem(path)).toBeUndefined(),
);

test("two paths that some file system takes for one are refused, and so is a file that is a folder", () => {
  expect(wrong("a", "b", "a/b/c", "ab", "a-b")).toEqual([2]);
  expect(wrong("a", "a")).toEqual([1]);
  expect(wrong("a/b", "A/c")).toEqual([1]);
  expect(wrong("x", "\u00e9", "e\u0301")).toEqual([2]);
  expect(wrong("σ", "ς", "s", "ſ").toSorted()).toEqual([1, 3]); // one upper case
  expect(wrong("a/b", "a")).toEqual([1]);
  expect(wrong("a/b", "a/c", "a-b", "a.b", "a/b-c/d", "a b/c", "é/a", "é/b")).toEqual([]);
});

test("what is above a bound is named with the bound", () => {
  const problems = bundleProblems([file("a", { sizeBytes: MiB }), file("b", { sizeBytes: MiB }), file("c")], bounds);
  expect(problems).toMatchObject([{ field: "size", description: expect.stringContaining(String(2 * MiB)) }]);
  expect(bundleProblems([file("a", { sizeBytes: MiB + 1 })], bounds)).toMatchObject([{ field: "size" }]);
  expect(bundleProblems([file("a", { sizeBytes: -1 })], bounds)).toMatchObject([{ field: "size" }]);
});

test("neighbours alone find the same clashes as all pairs", () => {
  const name = fc.constantFrom("a", "A", "b", "a-", "a.", "é", "e\u0301");
  const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => names.join("/"));
  const folded = (text: string) => text.normalize("NFKC").toUpperCase().toLowerCase().normalize("NFC");
  const parts = (text: string) => text.split("/").map((_, at, names) => names.slice(0, at + 1).join("/"));
  const clash = (one: string, other: string) =>
    parts(one).some((a) => parts(other).some((b) => folded(a) === folded(b) && (a !== b || a === one || b === other)));
  fc.assert(
    fc.property(fc.array(path, { maxLength: 8 }), (paths) => {
      const clashes = paths.some((one, at) => paths.slice(at + 1).some((other) => clash(one, other)));
      expect(wrong(...paths).length > 0).toBe(clashes);
    }),
  );
});
