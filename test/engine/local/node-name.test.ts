import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { nodeName } from "../../../src/engine/local/node-name.ts";
import { openEngine, testFolder } from "./engine-harness.ts";

test("a node's name is of its data folder: another folder of the machine is another node", async () => {
  const [one, other] = [await nodeName(await testFolder()), await nodeName(await testFolder())];
  expect(one).not.toBe(other);
});

test("a node keeps its name, whatever the machine is called by now; and has it again when the folder was emptied", async () => {
  const folder = await testFolder();
  const name = await nodeName(folder);
  await rm(join(folder, "node"));
  expect(await nodeName(folder)).toBe(name);
  await writeFile(join(folder, "node"), "as-it-was-called-1a2b3c4d\n");
  expect(await nodeName(folder)).toBe("as-it-was-called-1a2b3c4d");
});

test("an engine lists the node of its data folder, and no other", async () => {
  const folder = await testFolder();
  const engine = await openEngine(folder);
  expect((await engine.list()).complete).toEqual(new Set([await nodeName(folder)]));
});
