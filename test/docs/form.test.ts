// The form of the documents, and what they say of the source's folders: a folder or an arrow that CONTRIBUTING.md does not have fails here.
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { mayAlsoImport, mayImport } from "../tidy-rules.ts";
import { allDocuments, linksOf, proseOf, root } from "./documents.ts";

const columnsMax = 100;
const readmeLinesMax = 200;
const decisionLinesMax = 25;

const documents = allDocuments();
const textOf = (path: string) => documents.find((document) => document.path === path)?.text ?? "";

test("the README is short", () => {
  expect(textOf("README.md").split("\n").length).toBeLessThan(readmeLinesMax);
});

const ours = documents
  .filter(({ path }) => /^(?:[A-Z]+\.md|docs\/.*)$/.test(path))
  .map((document) => [document.path, document.text] as const);
test.each(ours)("prose in %s is at most 100 columns wide", (_, text) => {
  // A table's row cannot be broken, and neither can a link.
  const wide = proseOf(text)
    .split("\n")
    .filter((line) => [...line].length > columnsMax && !line.startsWith("|") && /\s\S/.test(line.slice(columnsMax)));
  expect(wide).toEqual([]);
});

describe("the plan of the house in CONTRIBUTING.md", () => {
  const text = textOf("CONTRIBUTING.md");
  const tree = foldersOf(text);
  const folders = tree.map(({ path }) => path);
  const planned = tree.filter((folder) => folder.planned).map(({ path }) => path);

  test("has every room, and every wing of core and every engine", () => {
    const inside = (folder: string) =>
      readdirSync(join(root, folder), { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map(({ name }) => `${folder}/${name}`);
    const real = [...inside("src"), ...inside("src/core"), ...inside("src/engine")];
    expect(real.length).toBeGreaterThan(15);
    expect(real.filter((folder) => !folders.includes(folder))).toEqual([]);
  });

  test("has no folder that is not there, but those that it marks as planned", () => {
    expect(folders.filter((folder) => !existsSync(join(root, folder))).toSorted()).toEqual(planned.toSorted());
  });

  test("lets each room import what the rule lets it", () => {
    const rows = [...text.matchAll(/^\| `([a-z]+)` \| (nothing|`[a-z`, ]+`) \|(?: (`[^|]+`))? \|$/gm)];
    const named = (cell = "") => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name);
    expect(Object.fromEntries(rows.map(([, room = "", others]) => [room, named(others)]))).toEqual(mayImport);
    const also = rows.filter(([, , , files]) => files !== undefined).map(([, room = "", , files]) => [room, named(files)]);
    expect(Object.fromEntries(also)).toEqual(mayAlsoImport);
  });
});

/** The folders of the tree in the first block of code, from the root. */
function foldersOf(text: string): readonly { readonly path: string; readonly planned: boolean }[] {
  const tree = /^```\n([\s\S]*?)^```/m.exec(text)?.[1] ?? "";
  const trail: string[] = [];
  return tree.split("\n").flatMap((line) => {
    const [, indent = "", name = ""] = /^( *)(\S+)\/(?: |$)/.exec(line) ?? [];
    if (name === "") return [];
    trail.splice(indent.length / 2, Number.POSITIVE_INFINITY, name);
    return [{ path: trail.join("/"), planned: line.includes(" (planned) ") }];
  });
}

describe("a decision", () => {
  const records = documents.filter(({ path }) => /^docs\/decisions\/\d{4}-/.test(path));

  test("is in the list, which has them all, numbered without gaps", () => {
    const names = records.map(({ path }) => path.slice("docs/decisions/".length)).toSorted();
    expect(linksOf(textOf("docs/decisions/README.md"))).toEqual(names);
    expect(names.map((name) => Number(name.slice(0, 4)))).toEqual(names.map((_, index) => index + 1));
  });

  test.each(records.map(({ path, text }) => [path, text] as const))("%s has its context, the decision and the consequences", (_, text) => {
    expect([...text.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading)).toEqual(["Context", "Decision", "Consequences"]);
    expect(text.split("\n").length).toBeLessThanOrEqual(decisionLinesMax);
  });
});
