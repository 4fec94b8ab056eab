// The tables of the documents have what there is, no more and no less: flags, commands, metrics, codes of errors.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { ControllerService } from "../../gen/drover/v1/controller_service_pb.ts";
import { codeOfReason } from "../../src/core/errors.ts";
import { metricsText } from "../../src/dashboard/metrics.ts";
import { drover } from "../cli/harness.ts";
import { root } from "./documents.ts";

const guide = readFileSync(join(root, "docs/guide.md"), "utf8");
const operating = readFileSync(join(root, "docs/operating.md"), "utf8");

/** The rows of the first table under a heading, as text. */
function tableUnder(text: string, heading: string): string {
  const section = text.split(new RegExp(`^#+ ${heading}$`, "m"))[1]?.split(/^#/m)[0] ?? "";
  return /(?:^\|.*\n)+/m.exec(section)?.[0] ?? "";
}

/** All matches in order of the alphabet, each once. */
const found = (text: string, pattern: RegExp): readonly string[] =>
  [...new Set([...text.matchAll(pattern)].map(([whole, part = whole]) => part))].toSorted();

test("Operating has every flag of drover start, and every variable that its help names", async () => {
  const help = [await drover(["start", "--help"]), await drover(["--help"])].map(({ stdout }) => stdout).join("\n");
  const table = tableUnder(operating, "Flags");
  const flags = found(help, /^ +(?:-\w, )?(--[a-z-]+)/gm).filter((flag) => flag !== "--help" && flag !== "--version");
  expect(flags.length).toBeGreaterThan(10);
  expect(found(table, /--[a-z][a-z-]*/g)).toEqual(flags);
  for (const variable of found(help, /\bDROVER_[A-Z_]+/g)) expect(table).toContain(`\`${variable}\``);
});

test("the guide has every command", async () => {
  const { stdout } = await drover(["--help"]);
  const commands = found(stdout.split("Commands:")[1] ?? "", /^ {2}([a-z]+)\b/gm).filter((command) => command !== "help");
  expect(commands.length).toBeGreaterThan(15);
  const cells = found(tableUnder(guide, "The command line"), /^\| (`.*?) \|/gm).join(", ");
  expect(found(cells, /`([a-z]+)/g)).toEqual(commands);
});

test("Operating has every metric", () => {
  expect(found(tableUnder(operating, "Health, metrics, logs"), /drover_[a-z_]+/g)).toEqual(
    found(metricsText([], [], undefined, 0), /drover_[a-z_]+/g),
  );
});

test("the guide has the code of every error", () => {
  // A caller that left has no use for one.
  const codes = [...new Set<string>(Object.values(codeOfReason))].filter((code) => code !== "CANCELLED").toSorted();
  expect(found(tableUnder(guide, "Errors"), /^\| `([A-Z_]+)`/gm)).toEqual(codes);
});

/** The names of methods that a cell means: those that it lists, or "every write" of all, or all but those. */
function meant(cell: string, all: readonly string[]): readonly string[] {
  const listed = found(cell, /`(\w+)`/g);
  if (!cell.startsWith("every write")) return listed;
  return all.filter((name) => !listed.includes(name));
}

test("the guide has the fields that writes have in common, each with the writes that have it", () => {
  const writes = ControllerService.methods.filter(({ idempotency }) => idempotency === MethodOptions_IdempotencyLevel.IDEMPOTENCY_UNKNOWN);
  const names = writes.map(({ name }) => name).toSorted();
  expect(names.length).toBeGreaterThan(5);
  // 1 is what a request writes, and its own fields begin at 6.
  const common = writes.flatMap(({ name, input }) =>
    input.fields.filter(({ number }) => number > 1 && number < 6).map((field) => ({ method: name, field: field.name })),
  );
  const has = (wanted: string) => common.flatMap(({ method, field }) => (field === wanted ? method : [])).toSorted();
  const rows = [...tableUnder(guide, "Writes").matchAll(/^\| `(\w+)` \| (.*?) \|/gm)];
  expect(Object.fromEntries(rows.map(([, field = "", cell = ""]) => [field, meant(cell, names)]))).toEqual(
    Object.fromEntries(common.map(({ field }) => [field, has(field)])),
  );
});
