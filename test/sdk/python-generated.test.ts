// sdk/python/drover/_gen is what the protos generate: a change of one without the other fails here.
import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { expect } from "vitest";
import { temporaryFolder } from "../replica/harness.ts";
import { python, pythonTest as test } from "./python-harness.ts";

const root = resolve(import.meta.dirname, "../..");

/** All files of generated code under a folder by their path in it; not what Python itself puts there. */
async function readTree(folder: string): Promise<Readonly<Record<string, string>>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && /\.pyi?$/.test(entry.name)).map((entry) => join(entry.parentPath, entry.name));
  return Object.fromEntries(
    await Promise.all(files.map(async (file) => [file.slice(folder.length + 1), await readFile(file, "utf8")] as const)),
  );
}

test("generating again changes nothing in the Python SDK", async () => {
  const out = join(await temporaryFolder(), "gen");
  await promisify(execFile)(process.execPath, [join(root, "scripts/generate-python.mjs"), "--out", out, "--python", python()]);
  const [committed, generated] = await Promise.all([readTree(join(root, "sdk/python/drover/_gen")), readTree(out)]);
  expect(Object.keys(generated)).not.toEqual([]);
  expect(Object.keys(committed).sort()).toEqual(Object.keys(generated).sort());
  for (const [path, text] of Object.entries(generated)) expect(committed[path], path).toBe(text);
});
