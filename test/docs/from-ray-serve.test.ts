// The page for users of Ray Serve names options and examples that there are.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { DescMessage } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { DeploymentSpecSchema } from "../../gen/drover/v1/deployment_pb.ts";
import { root } from "./documents.ts";

const path = join(root, "docs/from-ray-serve.md");
const text = readFileSync(path, "utf8");

/** The second cells of all rows of the tables in a section. */
function secondCells(heading: string): readonly string[] {
  const section = text.split(new RegExp(`^## ${heading}$`, "m"))[1]?.split(/^## /m)[0] ?? "";
  const rows = section.split("\n").filter((line) => line.startsWith("| ") && !/^\| Ray Serve/.test(line));
  return rows.map((row) => row.split("|")[2]?.trim() ?? "");
}

function isField(message: DescMessage, path: string): boolean {
  const [name, ...rest] = path.split(".");
  const field = message.fields.find((one) => one.name === name);
  if (field === undefined) return false;
  return rest.length === 0 || (field.fieldKind === "message" && isField(field.message, rest.join(".")));
}

test("each option that it names is a field of the spec", () => {
  const named = secondCells("Options of a deployment").flatMap((cell) => [...cell.matchAll(/`([a-z_.]+)`/g)].map(([, name = ""]) => name));
  expect(named.length).toBeGreaterThan(20);
  expect(named.filter((name) => !isField(DeploymentSpecSchema, name))).toEqual([]);
});

test("each kind of program has an example in both languages", () => {
  const rows = text.split("\n").filter((line) => line.includes("../examples/"));
  expect(rows.length).toBeGreaterThan(9);
  for (const row of rows) {
    const files = [...row.matchAll(/\((\.\.\/examples\/[^)]+)\)/g)].map(([, file = ""]) => file);
    expect(files.map((file) => file.replace(/^.*\./, ""))).toEqual(["py", "ts"]);
    for (const file of files) expect(existsSync(join(dirname(path), file)), file).toBe(true);
  }
});
