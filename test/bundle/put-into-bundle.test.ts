import { mkdir, symlink, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { create, toJson } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { type DeploymentSpec, DeploymentSpecSchema } from "../../gen/drover/v1/deployment_pb.ts";
import { BundleError, inCode } from "../../src/bundle/bundle-error.ts";
import { bundleFolder } from "../../src/bundle/bundle-folder.ts";
import { BundleProgress } from "../../src/bundle/bundle-progress.ts";
import { folderOfSpec, putIntoBundle } from "../../src/bundle/put-into-bundle.ts";
import { temporaryFolder } from "../replica/harness.ts";

async function folderWith(...paths: readonly string[]): Promise<string> {
  const root = await temporaryFolder();
  for (const path of paths) {
    await mkdir(join(root, path, ".."), { recursive: true });
    await writeFile(join(root, path), "");
  }
  return root;
}

const moduleSpec = (path: string, workingDir = "", lockfile = ""): DeploymentSpec =>
  create(DeploymentSpecSchema, { program: { kind: { case: "module", value: { path } } }, runtimeEnv: { workingDir, lockfile } });
const commandSpec = (workingDir: string, ...argv: readonly string[]): DeploymentSpec =>
  create(DeploymentSpecSchema, { program: { kind: { case: "command", value: { argv: [...argv] } } }, runtimeEnv: { workingDir } });

/** The spec with its bundle, as JSON; `paths` are the files of the bundle. */
function bundled(spec: DeploymentSpec, folder: string, paths: readonly string[], fillLockfile = true): unknown {
  const files = paths.map((path) => ({ path, file: join(folder, path), executable: false, sizeBytes: 0, sha256: "0".repeat(64) }));
  putIntoBundle(spec, { folder, files, folders: [] }, { digest: "sha256:1", fillLockfile });
  return toJson(DeploymentSpecSchema, spec, { useProtoFieldName: true });
}

test("what is sent is the nearest marked folder at or above the program's, else its own", async () => {
  const root = await folderWith("a/package.json", "a/b/c/app.ts", "a/b/requirements.txt", "x/app.ts", "y/pyproject.toml", "y/z/app.py");
  expect(bundleFolder(join(root, "a/b/c"), undefined)).toBe(join(root, "a/b"));
  expect(bundleFolder(join(root, "a"), undefined)).toBe(join(root, "a"));
  expect(bundleFolder(join(root, "y/z"), undefined)).toBe(join(root, "y"));
  expect(bundleFolder(join(root, "x"), undefined)).toBe(join(root, "x"));
});

test.each([homedir(), "/", tmpdir()])("%s itself is sent only where it is named", (folder) => {
  expect(() => bundleFolder(folder, undefined)).toThrow(/--bundle.*package\.json/);
  expect(() => bundleFolder(folder, undefined, inCode)).toThrow(/the option bundle/);
  expect(bundleFolder(folder, folder)).toBe(folder);
});

test("a folder that is named holds the program, by whatever links it is reached", async () => {
  const root = await folderWith("a/package.json", "a/src/app.ts", "other/file");
  await symlink(join(root, "a"), join(root, "link"));
  expect(bundleFolder(join(root, "a/src"), join(root, "link"))).toBe(join(root, "link"));
  expect(bundleFolder(join(root, "a/src"), join(root, "a/src"))).toBe(join(root, "a/src"));
  for (const wrong of ["other", "none", "other/file", "a/sr"])
    expect(() => bundleFolder(join(root, "a/src"), join(root, wrong)), wrong).toThrow(BundleError);
  const spec = moduleSpec(join(root, "a/src/app.ts"), join(root, "a/src"));
  expect(bundled(spec, join(root, "link"), ["src/app.ts"])).toMatchObject({
    program: { module: { path: "src/app.ts" } },
    runtime_env: { working_dir: "src" },
  });
});

test("a command has a bundle where an argument names a file below its folder, or a folder is named", async () => {
  const root = await folderWith("package.json", "sub/serve.mjs", "sub/tool", "sub/data/x", "up.mjs");
  const sub = join(root, "sub");
  const folderOf = (...argv: readonly string[]) => folderOfSpec(commandSpec(sub, ...argv), undefined);
  expect(folderOf("node", "serve.mjs")).toBe(root);
  expect(folderOf("./tool")).toBe(root);
  expect(folderOf("node", "--config", "data/x")).toBe(root);
  for (const argv of [
    ["tool"],
    ["node", "none.mjs"],
    ["node", join(sub, "serve.mjs")],
    ["node", "../up.mjs"],
    ["node", "data"],
    ["node", ""],
  ])
    expect(folderOf(...argv), String(argv)).toBeUndefined();
  expect(folderOfSpec(commandSpec(sub, "tool"), root)).toBe(root);
  expect(folderOfSpec(commandSpec("", "./tool"), undefined)).toBeUndefined();
});

test("a program that is not on this machine is refused, and a program that has a bundle is not sent again", async () => {
  const root = await folderWith("app.ts");
  expect(() => folderOfSpec(moduleSpec(join(root, "none.ts")), undefined)).toThrow(/none\.ts.*--no-bundle/);
  expect(() => folderOfSpec(moduleSpec(root), undefined)).toThrow(BundleError);
  expect(() => folderOfSpec(moduleSpec(join(root, "none.ts")), undefined, inCode)).toThrow(/bundle: false/);
  const spec = moduleSpec("app.ts");
  if (spec.runtimeEnv) spec.runtimeEnv.bundle = `sha256:${"0".repeat(64)}`;
  expect(folderOfSpec(spec, undefined)).toBeUndefined();
});

test("a working folder outside of what is sent, and a program that is left out, are refused", async () => {
  const root = await folderWith("app/app.ts", "data/x");
  const app = join(root, "app");
  expect(() => bundled(moduleSpec(join(app, "app.ts"), join(root, "data")), app, ["app.ts"])).toThrow(/data.*--bundle.*--no-bundle/);
  expect(() => bundled(moduleSpec(join(app, "app.ts")), app, ["other.ts"])).toThrow(/app\.ts.*\.gitignore/);
});

test.each([
  ["src/app.ts", ["package-lock.json", "requirements.txt"], "package-lock.json"],
  ["src/app.ts", ["package-lock.json", "src/package-lock.json", "src/app/package-lock.json"], "src/package-lock.json"],
  ["src/app.mjs", ["requirements.txt", "uv.lock"], undefined],
  ["src/app.py", ["requirements.txt", "package-lock.json"], "requirements.txt"],
  ["src/app.py", ["requirements.txt", "pylock.toml"], "pylock.toml"],
  ["src/app.py", ["pylock.toml", "uv.lock"], "uv.lock"],
  ["src/app.py", ["src/requirements.txt", "uv.lock"], "src/requirements.txt"],
])("the lockfile of %s among %j is %s", async (path, others, lockfile) => {
  const root = await folderWith();
  const paths = [path, ...others];
  const named = (spec: unknown) => (spec as { runtime_env: { lockfile?: string } }).runtime_env.lockfile;
  expect(named(bundled(moduleSpec(join(root, path)), root, paths))).toBe(lockfile);
  expect(named(bundled(moduleSpec(join(root, path)), root, paths, false))).toBeUndefined();
  expect(named(bundled(moduleSpec(join(root, path), "", "own.lock"), root, paths))).toBe("own.lock");
});

test.each([
  [["node", "a"], "package-lock.json"],
  [["/usr/bin/python3.11", "a"], "requirements.txt"],
  [["npx", "a"], "package-lock.json"],
  [["./a"], undefined],
])("the lockfile of the command %j is %s", async (argv, lockfile) => {
  const root = await folderWith();
  const spec = bundled(commandSpec(join(root, "sub"), ...argv), root, ["sub/a", "package-lock.json", "requirements.txt"]);
  expect(spec).toMatchObject({ program: { command: { argv } }, runtime_env: { working_dir: "sub", bundle: "sha256:1" } });
  expect((spec as { runtime_env: { lockfile?: string } }).runtime_env.lockfile).toBe(lockfile);
});

test("on a terminal the line of an upload counts, and elsewhere there is one line; large files are named", () => {
  const file = (path: string, sizeBytes: number) => ({ path, executable: false, sizeBytes, sha256: "" });
  const missing = [file("a\u009b2J.bin", 60 * 2 ** 20), file("b", 4 * 2 ** 20)];
  const shown = (isTTY: boolean) => {
    let nowMs = 0;
    const texts: string[] = [];
    const progress = new BundleProgress("/home/ada/app", { isTTY, write: (text) => texts.push(text) }, () => nowMs);
    progress.onBegin(missing);
    for (const sentBytes of [2 ** 20, 2 * 2 ** 20, 64 * 2 ** 20]) {
      progress.onProgress(sentBytes);
      nowMs += 60;
    }
    progress.close();
    return texts;
  };
  const large = "a?2J.bin has 60 MiB: is it meant to be sent? .droverignore leaves it out\n";
  expect(shown(false)).toEqual([large, "sending 2 files of app, 64 MiB\n"]);
  const line = (text: string) => `\r\u001b[K${text}`;
  const counted = ["1 MiB", "64 MiB"].map((sent) => line(`sending 2 files of app: ${sent} of 64 MiB`));
  expect(shown(true)).toEqual([large, ...counted, line("sent 2 files of app, 64 MiB\n")]);
});

test("a repository whose lockfile is above what is sent is named, where a lockfile is wanted", async () => {
  const root = await folderWith(
    "package-lock.json",
    "one/.git/HEAD",
    "one/package-lock.json",
    "one/svc/app.ts",
    "one/svc/app.py",
    "two/app.ts",
    "one/lean/app.ts",
    "one/lean/app.py",
    "one/rich/app.ts",
    "one/uv.lock",
  );
  await writeFile(join(root, "one/lean/package.json"), '{ "dependencies": {} }');
  await writeFile(join(root, "one/lean/pyproject.toml"), '[project]\nname = "lean"\ndependencies = []\n');
  await writeFile(join(root, "one/rich/package.json"), '{ "dependencies": { "a": "1" } }');
  const told = (path: string, folder: string, fillLockfile = true, lockfile = "") => {
    const file = { path, file: join(folder, path), executable: false, sizeBytes: 0, sha256: "0".repeat(64) };
    const spec = moduleSpec(join(folder, path), "", lockfile);
    return putIntoBundle(spec, { folder, files: [file], folders: [] }, { digest: "sha256:1", fillLockfile });
  };
  const svc = join(root, "one/svc");
  expect(told("app.ts", svc)).toContain(join(root, "one/package-lock.json"));
  expect(told("svc/app.ts", join(root, "one"))).toBeUndefined();
  expect(told("app.ts", svc, false)).toBeUndefined();
  expect(told("app.ts", svc, true, "package-lock.json")).toBeUndefined();
  expect(told("app.py", svc)).toContain(join(root, "one/uv.lock"));
  expect(told("app.ts", join(root, "one/lean"))).toBeUndefined(); // it says that it needs none
  expect(told("app.py", join(root, "one/lean"))).toBeUndefined();
  expect(told("app.ts", join(root, "one/rich"))).toContain(join(root, "one/package-lock.json"));
  expect(told("app.ts", join(root, "two"))).toBeUndefined(); // in no repository
});
