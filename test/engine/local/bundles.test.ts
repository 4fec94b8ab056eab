// Goal: a replica runs the files of its revision's bundle, whatever becomes of others. Method: real
// processes of a real engine, with bundles that a test keeps.
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { LocalEngineOptions } from "../../../src/engine/local/local-engine.ts";
import { shipped } from "../../../src/shipped.ts";
import { assignment } from "../assignment.ts";
import { openEngine, printed, testFolder } from "./engine-harness.ts";
import { KeptBundles, nameOf } from "./kept-bundles.ts";

const modules = { moduleHost: [process.execPath, shipped.moduleHost], npmHook: shipped.npmHook, pythonSdk: shipped.pythonSdk };

async function open(options: Partial<LocalEngineOptions> = {}) {
  const [folder, bundles] = [await testFolder(), new KeptBundles()];
  const again = (more: Partial<LocalEngineOptions> = {}) => openEngine(folder, { bundles, ...options, ...more });
  /** The bundles that are unpacked, and what else is in their folder. */
  const unpacked = async () =>
    (await readdir(join(folder, "unpacked"))).filter((name) => name !== "package.json" && name !== "boot").sort();
  return { folder, bundles, engine: await again(), again, unpacked };
}

test("a replica runs in the folder of its bundle, and knows the bundle", async () => {
  const { engine, bundles, unpacked } = await open();
  const bundle = bundles.keep({ "app.sh": "echo hello $DROVER_BUNDLE; cat data/a.txt; pwd; exec sleep 1000", "data/a.txt": "one\n" });
  await engine.start(assignment("r1", ["sh", "app.sh"], { bundle }));
  await printed(engine, "r1", `hello ${bundle}`);
  await printed(engine, "r1", "one");
  expect(await unpacked()).toEqual([nameOf(bundle)]);
});

test("a working folder is inside the bundle, and a command line is relative to it", async () => {
  const { engine, bundles } = await open();
  const bundle = bundles.keep({ "src/run*": "#!/bin/sh\ncat here.txt\nexec sleep 1000\n", "src/here.txt": "here\n" });
  await engine.start(assignment("r1", ["./run"], { bundle, workingDir: "src" }));
  await printed(engine, "r1", "here");
});

test("a module in a bundle finds drover without a package of its own, and no package of a folder above", async () => {
  const { engine, bundles, folder } = await open(modules);
  await mkdir(join(folder, "node_modules", "above"), { recursive: true });
  await writeFile(join(folder, "node_modules", "above", "index.js"), "export default 1;");
  await writeFile(join(folder, "package.json"), '{ "type": "commonjs" }');
  const bundle = bundles.keep({
    "src/app.ts": `
      import { deployment } from "drover";
      import { word } from "./word.ts";
      import { createRequire } from "node:module";
      console.log(word, typeof deployment);
      await import("above").catch(({ code }) => console.log(code));
      try { createRequire(import.meta.url)("above"); } catch ({ code }) { console.log(code); }
      export const app = deployment({ invoke: { hello: () => "hello" } });`,
    "src/word.ts": 'export const word: string = "found";',
  });
  await engine.start(assignment("r1", [], { bundle, program: { kind: "module", path: "src/app.ts", exportName: "app" } }));
  await printed(engine, "r1", "found function");
  await printed(engine, "r1", "ERR_MODULE_NOT_FOUND");
  await printed(engine, "r1", "MODULE_NOT_FOUND");
});
