// The protos are tidy, and gen/ is what they generate: a change of one without the other fails here.
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const env = { ...process.env, PATH: `${join(root, "node_modules/.bin")}${delimiter}${process.env.PATH ?? ""}` };
const genFolders = ["gen", "examples/greeter/gen", "proto/buf"];

/** Ends with what the command printed if it fails. */
async function run(command: string, ...argv: readonly string[]): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)(command, argv, { cwd: root, env });
  return stdout + stderr;
}

/** All files under a folder by their path in it. */
async function readTree(folder: string): Promise<Readonly<Record<string, string>>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Object.fromEntries(
    await Promise.all(files.map(async (file) => [file.slice(folder.length + 1), await readFile(file, "utf8")] as const)),
  );
}

let out = "";

beforeAll(async () => {
  out = await mkdtemp(join(tmpdir(), "drover-generated-"));
  await run(process.execPath, "scripts/generate.mjs", "--out", out);
});
afterAll(() => rm(out, { recursive: true, force: true }));

test.each(genFolders)("generating again changes nothing in %s", async (folder) => {
  const [committed, generated] = await Promise.all([readTree(join(root, folder)), readTree(join(out, folder))]);
  expect(Object.keys(generated)).not.toEqual([]);
  expect(Object.keys(committed).sort()).toEqual(Object.keys(generated).sort());
  for (const [path, text] of Object.entries(generated)) expect(committed[path], path).toBe(text);
});

test("the protos are free of lint", async () => {
  expect(await run("buf", "lint")).toBe("");
});

test("the protos are formatted", async () => {
  expect(await run("buf", "format", "--diff", "--exit-code", "proto")).toBe("");
});
