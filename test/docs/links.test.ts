// Goal: a reader who follows a link of a document arrives. Method: every relative link of every Markdown file is followed, to a
// file or folder of the repository and to a heading there.
import { existsSync, statSync } from "node:fs";
import { join, posix } from "node:path";
import { expect, test } from "vitest";
import { allDocuments, anchorsOf, type Document, linksOf, root } from "./documents.ts";

/** Why a link of the document leads nowhere; undefined: it leads somewhere. */
function deadEnd(document: Document, link: string, others: readonly Document[]): string | undefined {
  const [file = "", anchor] = link.split("#");
  const path = file === "" ? document.path : posix.normalize(posix.join(posix.dirname(document.path), file));
  if (path.startsWith("..")) return `${link} leaves the repository`;
  if (!others.some((other) => other.path === path) && !existsSync(join(root, path))) return `${link} leads to no file`;
  if (anchor === undefined) return undefined;
  const target = others.find((other) => other.path === path);
  if (target === undefined) return statSync(join(root, path)).isFile() ? `${link} names a heading of a file without headings` : undefined;
  return anchorsOf(target.text).has(anchor) ? undefined : `${link} leads to no heading`;
}

const documents = allDocuments();

test("there are documents with links", () => {
  expect(documents.map(({ path }) => path)).toEqual(expect.arrayContaining(["README.md", "docs/guide.md", "CONTRIBUTING.md"]));
  for (const path of ["README.md", "docs/guide.md"])
    expect(linksOf(documents.find((document) => document.path === path)?.text ?? "").length).toBeGreaterThan(3);
});

test.each(documents.map((document) => [document.path, document] as const))("no link of %s is dead", (_, document) => {
  expect(linksOf(document.text).flatMap((link) => deadEnd(document, link, documents) ?? [])).toEqual([]);
});

test("a dead link is found, and a link in code is none", () => {
  const text =
    "# A b, c\n[x](no-such.md) [y](#a-b-c) [z](#d) [w](README.md#no-such) `[v](no.md)`\n```\n[u](no.md)\n```\n[t](https://example.com)\n";
  const sample = { path: "sample.md", text };
  const dead = linksOf(text).filter((link) => deadEnd(sample, link, [...documents, sample]) !== undefined);
  expect(dead).toEqual(["no-such.md", "#d", "README.md#no-such"]);
});
