// Environments made from files of bundles by a stand-in for npm.
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Requirements } from "../../../src/core/deployment.ts";
import { bundleFolder, type Contents } from "./bundle-folder.ts";
import { standIn } from "./stand-in-npm.ts";

const never = new AbortController().signal;
const project = { "package.json": '{"scripts":{"prepare":"husky","test":"t"}}', "package-lock.json": '{"packages":{}}' };
const linked = { ...project, "package-lock.json": '{"packages":{"own":{}}}' };

async function program(contents: Contents) {
  const { bundle, require } = await bundleFolder(contents);
  return { bundle, required: require({ lockfile: "package-lock.json" }) };
}

test("bundles with an equal lockfile share one environment, which is kept while one of them is needed", async () => {
  const { open, runs } = await standIn("exit 0");
  let needed: readonly Requirements[] = [];
  const environments = open({ keptMax: 0, needed: () => needed });
  const [first, second, other] = await Promise.all([
    program({ ...project, "a.mjs": "1" }),
    program({ ...project, "a.mjs": "2" }),
    program({ ...project, ".npmrc": "loglevel=error" }),
  ]);
  const build = ({ required, bundle }: typeof first) => environments.build(required, never, bundle);
  const paths = await Promise.all([build(first), build(second)]);
  expect(new Set(paths).size).toBe(1);
  expect(await runs()).toEqual([expect.stringMatching(/^ci --prefix \S+\/source --omit=dev --prefer-offline /)]);
  for (const path of paths) environments.giveBack(path);
  needed = [second.required];
  environments.giveBack(await build(other));
  await environments.close();
  const next = open({ keptMax: 0, needed: () => needed });
  next.giveBack(await next.build({ npm: ["more"], pip: [] }, never));
  await next.close();
  expect(await next.find(first.required, first.bundle)).toBe(paths[0]);
  expect(await next.find(other.required, other.bundle)).toBeUndefined();
});

test("an environment notes the bundles that need it, and a bounded number of others", async () => {
  const { open } = await standIn("exit 0");
  const all = await Promise.all(Array.from({ length: 16 }, (_, n) => program({ ...project, "a.mjs": `${n}` })));
  const environments = open({ needed: () => all.slice(1, 3).map(({ required }) => required) });
  let path = "";
  for (const { required, bundle } of all) path = await environments.build(required, never, bundle);
  const uses = JSON.parse(await readFile(join(path, "environment.json"), "utf8"));
  expect(uses).toEqual([...all.slice(1, 3), ...all.slice(5)].map(({ required }) => required));
});

test("the tools work on copies, without a developer's scripts; a bundle itself does not change", async () => {
  const { open } = await standIn('cd "$3" && echo "{}" > package-lock.json && echo more > more && echo more >> a.mjs');
  const { bundle, required } = await program({ ...linked, "a.mjs": "1" });
  const path = await open().build(required, never, bundle);
  expect(await readFile(join(path, "source/a.mjs"), "utf8")).toBe("1more\n");
  expect(JSON.parse(await readFile(join(path, "npm/package.json"), "utf8"))).toEqual({ scripts: { test: "t" } });
  expect((await readdir(bundle.folder)).sort()).toEqual(["a.mjs", "package-lock.json", "package.json"]);
  expect(await readFile(join(bundle.folder, "a.mjs"), "utf8")).toBe("1");
});

test("an installation from a bundle that is gone goes on from another bundle with an equal lockfile", async () => {
  const { open, runs } = await standIn("exit 0");
  const environments = open();
  const [gone, there] = await Promise.all([program({ ...project, "a.mjs": "1" }), program({ ...project, "a.mjs": "2" })]);
  const failed = environments.build(gone.required, never, gone.bundle).catch((cause: unknown) => cause);
  const built = environments.build(there.required, never, there.bundle);
  await rm(gone.bundle.folder, { recursive: true });
  expect(await built).toContain("environments");
  await failed;
  expect(await runs()).toHaveLength(1);
});

test("an environment of an earlier version is found, and kept while it is needed", async () => {
  const { open, store } = await standIn("exit 0");
  const required = { npm: ["a"], pip: [] };
  const before = open();
  const path = await before.build(required, never);
  await before.close();
  await writeFile(join(path, "environment.json"), '{"npm":["a"],"pip":[]}\n');
  const environments = open({ keptMax: 0, needed: () => [required] });
  environments.giveBack(await environments.build({ npm: ["b"], pip: [] }, never));
  await environments.close();
  expect(await environments.find(required)).toBe(path);
  expect(await readdir(store)).toHaveLength(2);
});
