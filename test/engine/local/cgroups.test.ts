// What is decided and written, in a folder that stands for one of the kernel's; the kernel's own part is in test/e2e/cgroups.test.ts.
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Cgroups } from "../../../src/engine/local/cgroups.ts";
import { testFolder } from "./engine-harness.ts";

test("a replica gets its memory as a bound for all its processes together; without memory_bytes it gets none", async () => {
  const folder = await testFolder();
  const cgroups = new Cgroups(folder, "/data");
  const bound = cgroups.create("a", 2 ** 28).enter.at(-1) ?? "";
  expect(await readFile(join(bound, "../memory.max"), "utf8")).toBe(String(2 ** 28));
  expect(await readFile(join(bound, "../memory.oom.group"), "utf8")).toBe("1");
  expect(await readdir(join(cgroups.create("b", 0).enter.at(-1) ?? "", ".."))).toEqual([]);
});

test.each([
  ["oom 0\noom_kill 0\n", undefined],
  ["oom 3\noom_kill 1\noom_group_kill 1\n", "own"],
  ["oom 0\noom_kill 1\n", "others"],
  ["", undefined],
])("memory.events %j says whose bound was reached", async (events, whose) => {
  const folder = await testFolder();
  const cgroup = new Cgroups(folder, "/data").create("a", 1);
  await writeFile(join(cgroup.enter.at(-1) ?? "", "../memory.events"), events);
  expect(cgroup.outOfMemory).toBe(whose);
});

test("what no replica has any more is removed, once it is empty; what another controller made, never", async () => {
  const folder = await testFolder();
  const [ours, theirs] = [new Cgroups(folder, "/data"), new Cgroups(folder, "/other")];
  for (const cgroups of [ours, theirs]) for (const id of ["kept", "gone"]) cgroups.create(id, 0);
  const before = (await readdir(folder)).length;
  ours.release("gone");
  expect((await readdir(folder)).length).toBe(before - 1);
  const next = new Cgroups(folder, "/data");
  expect(next.find("gone")).toBeUndefined();
  expect(next.find("kept")).toBeDefined();
  next.create("full", 0);
  const [full = ""] = (await readdir(folder)).filter((name) => name.endsWith("-full"));
  await mkdir(join(folder, full, "member"));
  next.release("full");
  expect(await readdir(folder)).toContain(full);
  expect((await readdir(folder)).length).toBe(before);
});
