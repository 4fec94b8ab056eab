// Goal: a replica runs the files of its revision's bundle, whatever becomes of others. Method: real
// processes of a real engine, with bundles that a test keeps.
import { mkdir, readdir, stat, writeFile } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Requirements } from "../../../src/core/deployment.ts";
import { refusal } from "../../../src/core/errors.ts";
import type { LocalEngine, LocalEngineOptions } from "../../../src/engine/local/local-engine.ts";
import { bundleDigest } from "../../../src/program/bundle-manifest.ts";
import { shipped } from "../../../src/shipped.ts";
import { python, pythonTest } from "../../sdk/python-harness.ts";
import { assignment } from "../assignment.ts";
import { ended, eventually, find, linesOf, openEngine, printed, testFolder } from "./engine-harness.ts";
import { KeptBundles, nameOf } from "./kept-bundles.ts";

const modules = { moduleHost: [process.execPath, shipped.moduleHost], npmHook: shipped.npmHook, pythonSdk: shipped.pythonSdk };

const stays = "exec sleep 1000";
const running = (engine: LocalEngine, id: string) => eventually(async () => (await find(engine, id)).handle !== undefined);
const textsOf = async (engine: LocalEngine, id: string) => (await linesOf(engine, id)).map(({ line }) => line);
const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);

const withPython = () => ({
  ambientEnv: { ...process.env, PYTHONDONTWRITEBYTECODE: undefined, PATH: [dirname(python()), process.env.PATH ?? ""].join(delimiter) },
});

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

test("replicas of one bundle share its folder, which is written once, and nobody may write to it", async () => {
  const { engine, bundles, folder } = await open();
  const bundle = bundles.keep({ "app.sh": stays, "bin/tool*": "#!/bin/sh\n", "a/b/c.txt": "c", "same.txt": "c" });
  await Promise.all(["r1", "r2", "r3", "r4"].map((id) => engine.start(assignment(id, ["sh", "app.sh"], { bundle }))));
  for (const id of ["r1", "r2", "r3", "r4"]) await running(engine, id);
  await engine.start(assignment("r5", ["sh", "app.sh"], { bundle }));
  expect((await find(engine, "r5")).handle).toBeDefined(); // it starts at once
  expect([...bundles.reads.values()].toSorted()).toEqual([1, 1, 2]);
  const files = join(folder, "unpacked", nameOf(bundle), "files");
  const modes = await Promise.all(["", "app.sh", "bin", "bin/tool", "a", "a/b", "a/b/c.txt"].map((path) => modeOf(join(files, path))));
  expect(modes).toEqual(["555", "444", "555", "555", "555", "555", "444"]);
});

test("a bundle is dropped when no replica runs in it and no kept revision needs it", async () => {
  let needed: readonly Requirements[] = [];
  const { engine, bundles, unpacked } = await open({ neededRequirements: () => needed });
  const [first, second] = [bundles.keep({ "app.sh": stays, "1": "" }), bundles.keep({ "app.sh": stays, "2": "" })];
  needed = [{ npm: [], pip: [], bundle: first }];
  for (const [id, bundle] of [
    ["r1", first],
    ["r2", second],
    ["r3", second],
  ] as const) {
    await engine.start(assignment(id, ["sh", "app.sh"], { bundle }));
    await running(engine, id);
  }
  await engine.stop("r1", "kill");
  await engine.stop("r2", "kill");
  await ended(engine, "r1");
  await ended(engine, "r2");
  await engine.start(assignment("r4", ["sh", "-c", "sleep 0.3"])); // checks go on for a while
  await ended(engine, "r4");
  expect(await unpacked()).toEqual([nameOf(first), nameOf(second)].sort());
  await engine.stop("r3", "kill");
  await eventually(async () => (await unpacked()).join() === nameOf(first));
  needed = [];
  await eventually(async () => (await unpacked()).length === 0);
});

test("the next controller holds the bundles of the replicas that it finds, and drops what is left of others", async () => {
  const { engine, bundles, again, folder, unpacked } = await open({ neededRequirements: () => [] });
  const [used, unused] = [bundles.keep({ "app.sh": stays }), bundles.keep({ "other.sh": stays })];
  await engine.start(assignment("r1", ["sh", "app.sh"], { bundle: used }));
  await running(engine, "r1");
  await engine.close();
  await mkdir(join(folder, "unpacked", `${nameOf(unused)}.abc123`, "files", "src"), { recursive: true, mode: 0o555 }).catch(() => {});
  await mkdir(join(folder, "unpacked", nameOf(unused)));
  const next = await again();
  await eventually(async () => (await unpacked()).join() === nameOf(used));
  await next.start(assignment("r2", ["sh", "app.sh"], { bundle: used }));
  await running(next, "r2");
  expect([...bundles.reads.values()]).toEqual([1]);
  await next.stop("r2", "kill");
  await ended(next, "r2");
  expect(await unpacked()).toEqual([nameOf(used)]);
  await next.stop("r1", "kill");
  await eventually(async () => (await unpacked()).length === 0);
});

describe("a replica runs the files of its bundle, though a program", () => {
  const told = "cat data.txt; ls -A; ./tool; exec sleep 1000";
  const attacks: readonly (readonly [string, string])[] = [
    ["wrote into a file", "chmod u+w data.txt; echo evil > data.txt; chmod u-w data.txt"],
    [
      "wrote as much into a file, and set its time back",
      "touch -r data.txt /tmp/t.$$; chmod u+w data.txt; echo evil > data.txt; touch -r /tmp/t.$$ data.txt; rm /tmp/t.$$",
    ],
    ["put another file in its place", "chmod u+w .; echo evil > x; mv x data.txt; chmod u-w ."],
    ["made a link of a file", "chmod u+w .; rm data.txt; ln -s /etc/hostname data.txt"],
    ["removed a file", "chmod u+w .; rm -f data.txt"],
    ["added a file", "chmod u+w deep; echo evil > deep/evil.txt"],
    ["added a folder of packages", "chmod u+w .; mkdir node_modules"],
    ["made a file executable", "chmod a+x data.txt"],
    ["changed the list of its files", "chmod u+w ../list; echo evil >> ../list"],
    ["removed all of it", "chmod -R u+w ..; rm -rf ../../$(basename $(dirname $PWD))"],
  ];

  test.each(attacks)("%s", async (_, attack) => {
    const { engine, bundles, again, unpacked } = await open();
    const files = {
      "evil.sh": `${attack}; echo done; exec sleep 1000`,
      "app.sh": told,
      "data.txt": "good\n",
      "tool*": "#!/bin/sh\necho ran",
    };
    const bundle = bundles.keep({ ...files, "deep/a.txt": "a" });
    const expected = ["good", "app.sh", "data.txt", "deep", "evil.sh", "tool", "ran"];
    const start = async (on: LocalEngine, id: string) => {
      await on.start(assignment(id, ["sh", "app.sh"], { bundle }));
      await printed(on, id, "ran");
      expect(await textsOf(on, id)).toEqual(expected);
    };
    await engine.start(assignment("r1", ["sh", "evil.sh"], { bundle }));
    await printed(engine, "r1", "done");
    await start(engine, "r2");
    await engine.start(assignment("r3", ["sh", "evil.sh"], { bundle }));
    await printed(engine, "r3", "done");
    await engine.close();
    const next = await again();
    await start(next, "r4"); // it was not there when the files were unpacked
    await start(next, "r5");
    expect(await textsOf(next, "r2")).toEqual(expected);
    for (const id of ["r1", "r2", "r3", "r4", "r5"]) await next.stop(id, "kill");
    await eventually(async () => (await unpacked()).length === 0);
  });
});

test("a bundle that nobody wrote into is written once, also for the next controller", async () => {
  const { engine, bundles, again } = await open({ neededRequirements: () => [{ npm: [], pip: [], bundle }] });
  const bundle = bundles.keep({ "app.sh": stays, "deep/er/b.txt": "b" });
  for (const id of ["r1", "r2"]) {
    await engine.start(assignment(id, ["sh", "app.sh"], { bundle }));
    await running(engine, id);
  }
  await engine.close();
  const next = await again();
  for (const id of ["r3", "r4"]) {
    await next.start(assignment(id, ["sh", "app.sh"], { bundle }));
    await running(next, id);
  }
  expect([...bundles.reads.values()]).toEqual([1, 1]);
});

test("a replica keeps its working folder when another one writes there", async () => {
  const { engine, bundles, unpacked } = await open();
  const bundle = bundles.keep({
    "app.sh": "until [ -e /proc/$$/cwd/evil ]; do sleep 0.05; done; echo saw; cat here.txt; exec sleep 1000",
    "here.txt": "here\n",
    "evil.sh": "chmod u+w .; touch evil; exec sleep 1000",
    "b.sh": "echo b; exec sleep 1000",
  });
  await engine.start(assignment("r1", ["sh", "app.sh"], { bundle }));
  await running(engine, "r1");
  await engine.start(assignment("r2", ["sh", "evil.sh"], { bundle }));
  await printed(engine, "r1", "saw");
  await engine.start(assignment("r3", ["sh", "b.sh"], { bundle }));
  await printed(engine, "r3", "b");
  await printed(engine, "r1", "here");
  expect(await unpacked()).toHaveLength(2);
});

describe("a start fails, and leaves nothing of the bundle, where", () => {
  const why = async (engine: LocalEngine, bundle: string, more: Parameters<typeof assignment>[2] = {}) => {
    await engine.start(assignment("r1", ["sh", "app.sh"], { bundle, ...more }));
    const { ending } = await ended(engine, "r1");
    if (ending?.kind !== "failedToStart") throw new Error(`it has ended otherwise: ${JSON.stringify(ending)}`);
    await engine.forget("r1");
    return ending;
  };

  test("the bundle is not kept", async () => {
    const { engine, bundles, unpacked } = await open();
    const bundle = bundles.keep({ "app.sh": stays });
    bundles.bundles.clear();
    const ending = await why(engine, bundle);
    expect(ending.shortage).toBeUndefined();
    expect(ending.why).toContain(bundle);
    expect(await unpacked()).toEqual([]);
  });

  test.each([
    ["has other bytes", "exec sleep 2000"],
    ["is shorter", "exec"],
    ["is longer", `${stays}0`],
    ["is missing", undefined],
  ])("a file of it %s", async (_, content) => {
    const { engine, bundles, unpacked } = await open();
    const bundle = bundles.keep({ "src/a.txt": "a", "app.sh": stays });
    for (const [sha256, kept] of bundles.contents) {
      if (kept.toString() !== stays) continue;
      if (content === undefined) bundles.contents.delete(sha256);
      else bundles.contents.set(sha256, Buffer.from(content));
    }
    const ending = await why(engine, bundle);
    expect(ending.shortage).toBeUndefined();
    expect(ending.why).toContain('"app.sh"');
    expect(await unpacked()).toEqual([]);
    bundles.keep({ "app.sh": stays });
    await engine.start(assignment("r1", ["sh", "app.sh"], { bundle }));
    await running(engine, "r1");
  });

  test("its list of files is another's", async () => {
    const { engine, bundles, unpacked } = await open();
    const [bundle, other] = [bundles.keep({ "app.sh": stays }), bundles.keep({ "../app.sh": stays })];
    bundles.bundles.set(bundle, bundles.bundles.get(other) ?? []);
    expect((await why(engine, bundle)).why).toContain(bundle);
    expect(await unpacked()).toEqual([]);
  });

  test("the disk has no room for it, for which the program is not to blame", async () => {
    const { engine, bundles, unpacked } = await open();
    const files = [{ path: "app.sh", executable: false, sizeBytes: 2 ** 52, sha256: "0".repeat(64) }];
    const bundle = bundleDigest(files);
    bundles.bundles.set(bundle, files);
    expect((await why(engine, bundle)).shortage).toBe(true);
    expect(await unpacked()).toEqual([]);
  });

  test("the store cannot be reached, for which the program is not to blame", async () => {
    const { engine, bundles, unpacked } = await open();
    const bundle = bundles.keep({ "app.sh": stays });
    bundles.beforePiece = async () => {
      throw refusal("STORE_UNAVAILABLE", "Redis cannot be reached");
    };
    expect((await why(engine, bundle)).shortage).toBe(true);
    expect(await unpacked()).toEqual([]);
  });

  test.each([
    ["it has no such working folder", { workingDir: "models" }, "models"],
    ["it has no such program", {}, "bin/none"],
    ["the program is not executable", {}, "app.sh"],
  ])("%s, by its path in the bundle", async (_, more, path) => {
    const { engine, bundles, folder } = await open();
    const bundle = bundles.keep({ "app.sh": stays });
    const argv = path === "models" ? ["sh"] : [`./${path}`];
    for (const id of ["r1", "r2"]) {
      // The second finds the bundle unpacked, and its start itself fails.
      const failed = await engine.start(assignment(id, argv, { bundle, ...more })).then(
        async () => JSON.stringify((await ended(engine, id)).ending),
        (cause: Error) => cause.message,
      );
      expect(failed).toContain(path);
      expect(failed).not.toContain(folder);
    }
  });
});

test("a replica that is stopped while its bundle is unpacked never starts, and others go on", async () => {
  const { engine, bundles, unpacked } = await open();
  const bundle = bundles.keep({ "app.sh": "echo started; exec sleep 1000" });
  const gate = Promise.withResolvers<void>();
  bundles.beforePiece = () => gate.promise;
  for (const id of ["r1", "r2"]) await engine.start(assignment(id, ["sh", "app.sh"], { bundle }));
  await eventually(async () => (await find(engine, "r2")).preparing !== undefined && bundles.reads.size > 0);
  await engine.stop("r1", "terminate");
  expect((await ended(engine, "r1")).ending).toEqual({ kind: "stoppedBeforeStart" });
  gate.resolve();
  await printed(engine, "r2", "started");
  expect(await linesOf(engine, "r1")).toEqual([]);
  expect(await unpacked()).toEqual([nameOf(bundle)]);
});

test("a bundle that nobody waits for any more is not unpacked, and is when it is wanted again", async () => {
  const { engine, bundles, unpacked } = await open();
  const bundle = bundles.keep({ "app.sh": stays });
  const gate = Promise.withResolvers<void>();
  bundles.beforePiece = () => gate.promise;
  await engine.start(assignment("r1", ["sh", "app.sh"], { bundle }));
  await eventually(() => bundles.reads.size > 0);
  await engine.stop("r1", "kill");
  await engine.start(assignment("r2", ["sh", "app.sh"], { bundle })); // while the first is being stopped
  gate.resolve();
  await running(engine, "r2");
  expect(await unpacked()).toEqual([nameOf(bundle)]);
});

test("a controller that ends while it unpacks leaves nothing half done to the next", async () => {
  const { engine, bundles, again, unpacked } = await open();
  const bundle = bundles.keep({ "app.sh": stays });
  bundles.beforePiece = () => new Promise((resolve) => setImmediate(resolve));
  await engine.start(assignment("r1", ["sh", "app.sh"], { bundle }));
  await engine.close();
  const next = await again();
  expect((await find(next, "r1")).ending).toEqual({ kind: "neverStarted" });
  expect(await unpacked()).toEqual([]);
});

test("a bundle is unpacked while a replica waits for room", async () => {
  const { engine, bundles, unpacked } = await open({ neededRequirements: () => [requirements] });
  const bundle = bundles.keep({ "app.sh": stays });
  const requirements = { npm: [], pip: [], bundle };
  const settled: string[] = [];
  engine.onExit((name) => settled.push(name));
  expect(engine.prepare("r1", requirements)).toEqual({ kind: "installing" });
  await eventually(() => settled.includes("r1"));
  expect(engine.prepare("r1", requirements)).toEqual({ kind: "ready" });
  expect(engine.prepare("r2", requirements)).toEqual({ kind: "ready" });
  expect(await unpacked()).toEqual([nameOf(bundle)]);
  const broken = bundles.keep({ "app.sh": "" });
  bundles.bundles.delete(broken);
  engine.prepare("r3", { ...requirements, bundle: broken });
  await eventually(() => settled.includes("r3"));
  expect(engine.prepare("r3", { ...requirements, bundle: broken })).toMatchObject({ kind: "failed", ending: { kind: "failedToStart" } });
});

test("a program in a bundle finds drover without a package of its own, and no package of a folder above", async () => {
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
  const argv = [process.execPath, "--input-type=module", "--eval", 'await import("./src/app.ts")'];
  await engine.start(assignment("r2", argv, { bundle }));
  await printed(engine, "r2", "found function");
  await printed(engine, "r2", "MODULE_NOT_FOUND");
});

describe("a module that does not start", () => {
  const lastErrors = async (path: string, files: Readonly<Record<string, string>>): Promise<string> => {
    const { engine, bundles, folder } = await open(path.endsWith(".py") ? { ...modules, ...withPython() } : modules);
    const bundle = bundles.keep({ "README.md": "", ...files });
    await engine.start(assignment("r1", [], { bundle, program: { kind: "module", path, exportName: "app" } }));
    expect((await ended(engine, "r1")).ending).toEqual({ kind: "exit", code: 1 });
    const errors = (await engine.lastErrors("r1", 20)).join("\n");
    for (const hidden of [folder, "node:internal", "src/replica"]) expect(errors).not.toContain(hidden);
    return errors;
  };

  test("is named by its path in the bundle", async () => {
    expect(await lastErrors("src/none.ts", {})).toContain("src/none.ts");
    expect(await lastErrors("src/app.ts", { "src/app.ts": "\nthrow new Error('of the module');" })).toMatch(
      /of the module\n.*src\/app.ts:2:/,
    );
    for (const text of ["import 'not-there';", "export class app { static create() { return import('not-there'); } }"])
      expect(await lastErrors("src/app.ts", { "src/app.ts": text })).toContain("package-lock.json");
    expect(await lastErrors("src/app.ts", { "src/app.ts": "import './not-there.ts';" })).toContain("src/not-there.ts");
  });

  pythonTest("is named by its path in the bundle, in Python too", async () => {
    expect(await lastErrors("src/none.py", {})).toContain("src/none.py");
    expect(await lastErrors("src/app.py", { "src/app.py": "\nraise ValueError('of the module')" })).toMatch(
      /src\/app.py", line 2[\s\S]*of the module/,
    );
    const constructed = "import drover\n@drover.deployment\nclass app:\n    def __init__(self):\n        import not_there";
    for (const text of ["import not_there", constructed])
      expect(await lastErrors("src/app.py", { "src/app.py": text })).toContain("requirements.txt");
  });
});

pythonTest("a Python module finds what is in its own folder and in the bundle's, wherever it works", async () => {
  const { engine, bundles } = await open({ ...modules, ...withPython(), neededRequirements: () => [{ npm: [], pip: [], bundle }] });
  const bundle: string = bundles.keep({
    "src/app.py": "import near, lib.far, os\nprint(near.word, lib.far.word, open('here.txt').read(), flush=True)",
    "src/near.py": "word = 'near'",
    "lib/far.py": "word = 'far'",
    "data/here.txt": "here",
  });
  const program = { kind: "module", path: "src/app.py", exportName: "app" } as const;
  await engine.start(assignment("r1", [], { bundle, program, workingDir: "data" }));
  await printed(engine, "r1", "near far here");
  await engine.start(assignment("r2", ["python3", "../src/app.py"], { bundle, workingDir: "data" }));
  await printed(engine, "r2", "near far here");
  await engine.start(assignment("r3", [], { bundle, program, workingDir: "data" }));
  await printed(engine, "r3", "near far here");
  expect([...bundles.reads.values()]).toEqual([1, 1, 1, 1]); // not even root's Python writes compiled files there
});
