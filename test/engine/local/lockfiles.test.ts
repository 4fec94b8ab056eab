// Lockfiles and files of the bundle, installed by the real tools: npm, pip and uv.
import { execFile, execFileSync } from "node:child_process";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { realClock } from "../../../src/clock/real.ts";
import type { Requirements } from "../../../src/core/deployment.ts";
import { silentLog } from "../../../src/log/log.ts";
import { python, pythonTest } from "../../sdk/python-harness.ts";
import { bundleFolder, type Contents } from "./bundle-folder.ts";
import { testFolder } from "./engine-harness.ts";
import { ListedEnvironments } from "./listed-environments.ts";

const never = new AbortController().signal;
const run = promisify(execFile);

/**
 * Environments with the tools of the PATH, and Python's from the toolchain; `uv`: whether it is
 * found.
 */
async function openEnvironments({ uv = true } = {}): Promise<ListedEnvironments> {
  const folder = await testFolder();
  const bin = join(folder, "bin");
  const places = [...(uv ? [dirname(python())] : [bin]), process.env.PATH ?? ""];
  if (!uv) {
    // A uv that does not run stands before any that does.
    execFileSync("mkdir", [bin]);
    await writeFile(join(bin, "uv"), "#!/bin/sh\nexit 1\n", { mode: 0o755 });
    execFileSync("ln", ["-s", python(), join(bin, "python3")]);
  }
  const environments = new ListedEnvironments({
    folder: join(folder, "environments"),
    ambientEnv: { ...process.env, PATH: places.join(delimiter) },
    needed: () => [],
    clock: realClock,
    log: silentLog,
  });
  onTestFinished(() => environments.close());
  return environments;
}

async function install(environments: ListedEnvironments, contents: Contents, more: Partial<Requirements>): Promise<string> {
  const { bundle, require } = await bundleFolder(contents);
  const before = await everyFile(bundle.folder);
  const built = await environments.build(require(more), never, bundle);
  expect(await everyFile(bundle.folder)).toEqual(before);
  return built;
}

/** All files below a folder, with their sizes and times. */
async function everyFile(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true });
  return Promise.all(
    entries.sort().map(async (name) => stat(join(folder, name)).then(({ size, mtimeMs }) => `${name} ${size} ${mtimeMs}`)),
  );
}

const inPython = async (path: string, expression: string): Promise<unknown> =>
  JSON.parse((await run(join(path, "pip/bin/python3"), ["-c", `import json; print(json.dumps(${expression}))`])).stdout);
const versionOf = (name: string): string => `__import__('importlib.metadata').metadata.version('${name}')`;
const pythonHas = (path: string, name: string): Promise<unknown> =>
  inPython(path, `__import__('importlib.util').util.find_spec('${name}') is not None`);

const packageVersion = async (path: string, name: string): Promise<string | undefined> => {
  const text = await readFile(join(path, "npm/node_modules", name, "package.json"), "utf8").catch(() => undefined);
  return text === undefined ? undefined : JSON.parse(text).version;
};

/** A `.tgz` as `npm pack` makes it. */
async function packed(name: string, version: string): Promise<Uint8Array> {
  const folder = await testFolder();
  await mkdir(join(folder, "package"));
  await writeFile(join(folder, "package/package.json"), JSON.stringify({ name, version }));
  await run("tar", ["-czf", "packed.tgz", "package"], { cwd: folder });
  return readFile(join(folder, "packed.tgz"));
}

test("npm installs what package-lock.json says, without packages for development and without a developer's scripts", async () => {
  const dependencies = { dependencies: { "is-number": "^6.0.0" }, devDependencies: { "is-odd": "3.0.1" } };
  const packages = {
    "": dependencies,
    "node_modules/is-number": { version: "6.0.0" },
    "node_modules/is-odd": { version: "3.0.1", dev: true, dependencies: { "is-number": "^6.0.0" } },
  };
  const project = {
    "package.json": JSON.stringify({ private: true, ...dependencies, scripts: { prepare: "no-such-tool" } }),
    "package-lock.json": JSON.stringify({ lockfileVersion: 3, requires: true, packages }),
  };
  const environments = await openEnvironments();
  const path = await install(environments, project, { lockfile: "package-lock.json", npm: ["isarray@2.0.5"] });
  expect(await Promise.all(["is-number", "is-odd", "isarray"].map((name) => packageVersion(path, name)))).toEqual([
    "6.0.0",
    undefined,
    "2.0.5",
  ]);
});

test("npm installs packages of the bundle: of a workspace, of an archive, by the lockfile and by a list; no SDK from outside", async () => {
  const own = await packed("own", "1.2.3");
  const sdk = { dependencies: { drover: "file:../../../drover.tgz" } };
  const lock = {
    name: "app",
    lockfileVersion: 3,
    packages: {
      "": { name: "app", workspaces: ["packages/*"], dependencies: { helper: "1.0.0", drover: "file:../drover.tgz" } },
      "node_modules/drover": { version: "0.1.0", resolved: "file:../drover.tgz", dependencies: { "of-the-sdk": "1.0.0" } },
      "node_modules/helper": { resolved: "packages/helper", link: true },
      "node_modules/of-the-sdk": { version: "1.0.0", resolved: "http://127.0.0.1:9/none.tgz" },
      "packages/helper": { version: "1.0.0", ...sdk },
    },
  };
  const {
    packages: { "": root },
  } = lock;
  const path = await install(
    await openEnvironments(),
    {
      "package.json": JSON.stringify({ private: true, ...root }),
      "package-lock.json": JSON.stringify(lock),
      "packages/helper/package.json": JSON.stringify({ name: "helper", version: "1.0.0", ...sdk }),
      "packages/helper/index.js": "exports.answer = 42;",
      "vendor/own.tgz": own,
    },
    { lockfile: "package-lock.json", npm: ["./vendor/own.tgz"] },
  );
  expect([await packageVersion(path, "helper"), await packageVersion(path, "own")]).toEqual(["1.0.0", "1.2.3"]);
  expect(await packageVersion(path, "drover")).toBeUndefined();
  expect(await readFile(join(path, "npm/node_modules/helper/index.js"), "utf8")).toContain("42");
  const alone = await install(await openEnvironments(), { "vendor/own.tgz": own }, { npm: ["./vendor/own.tgz"] });
  expect(await packageVersion(alone, "own")).toBe("1.2.3");
});

const hashes = [
  "1e61c37477a1626458e36f7b1d82aa5c9b094fa4802892072e49de9c60c4c926",
  "8abb2f1d86890a2dfb989f9a77cfcfd3e47c2a354b01111771326f8aa26e0254",
];
const locked = (hash: string) => `six==1.16.0 --hash=sha256:${hash}\n`;
const own = (version: string) => ({
  "own/pyproject.toml": `[project]\nname = "own"\nversion = "${version}"\n[build-system]\nrequires = []\nbuild-backend = "build"\nbackend-path = ["."]\n`,
  "own/build.py": buildBackend(version),
});

/** A build backend that needs nothing, so that no package is downloaded for it. */
function buildBackend(version: string): string {
  return `
import zipfile
def make(folder):
    name = "own-${version}-py3-none-any.whl"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        wheel.writestr("own.py", "answer = 42")
        wheel.writestr("own-${version}.dist-info/METADATA", "Metadata-Version: 2.1\\nName: own\\nVersion: ${version}\\n")
        wheel.writestr("own-${version}.dist-info/WHEEL", "Wheel-Version: 1.0\\nGenerator: own\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("own-${version}.dist-info/RECORD", "")
    open("written", "w").close()
    return name
def build_wheel(folder, settings=None, metadata=None): return make(folder)
def build_editable(folder, settings=None, metadata=None): return make(folder)
`;
}

const sixUrl =
  "https://files.pythonhosted.org/packages/d9/5a/e7c31adbe875f2abbb91bd84cf2dc52d792b5a01506781dbcf25c91daf11/six-1.16.0-py2.py3-none-any.whl";
const pylock = `lock-version = "1.0"
created-by = "test"
[[packages]]
name = "six"
version = "1.16.0"
wheels = [{ name = "six-1.16.0-py2.py3-none-any.whl", url = "${sixUrl}", hashes = { sha256 = "${hashes[1]}" } }]
`;

/** A wheel of the package `own`, and its name. */
async function wheelOf(version: string): Promise<readonly [string, Uint8Array]> {
  const folder = await testFolder();
  await writeFile(join(folder, "build.py"), buildBackend(version));
  await run(python(), ["-c", "import sys; sys.path.insert(0, '.'); import build; build.make('.')"], { cwd: folder });
  const name = `own-${version}-py3-none-any.whl`;
  return [name, await readFile(join(folder, name))];
}

for (const uv of [true, false]) {
  const tool = uv ? "uv pip" : "pip";
  pythonTest(`requirements.txt with its hashes, pylock.toml and a wheel of the bundle are installed by ${tool}`, async () => {
    const environments = await openEnvironments({ uv });
    const requirements = async () => {
      const files = {
        "py/requirements.txt": "-r ../more.txt\n./own\n",
        "more.txt": "-c bounds.txt\nsix<1.16.0\n",
        "bounds.txt": "six!=1.15.0\n",
      };
      const path = await install(environments, { ...files, ...own("4.5.6") }, { lockfile: "py/requirements.txt" });
      expect(await inPython(path, `[${versionOf("own")}, ${versionOf("six")}, __import__('own').answer]`)).toEqual(["4.5.6", "1.14.0", 42]);
    };
    const wrongHash = (content: string) =>
      expect(install(environments, { "requirements.txt": content }, { lockfile: "requirements.txt" })).rejects.toMatchObject({
        problem: { kind: "toolEnded", tool },
        lines: expect.arrayContaining([expect.stringMatching(/hash/i)]),
      });
    const pylocked = async () => {
      const [name, wheel] = await wheelOf("7.8.9");
      const files = { "pylock.toml": pylock, [`vendor/${name}`]: wheel };
      const path = await install(environments, files, { lockfile: "pylock.toml", pip: [`./vendor/${name}`] });
      expect(await inPython(path, `[${versionOf("own")}, ${versionOf("six")}]`)).toEqual(["7.8.9", "1.16.0"]);
    };
    // pip checks hashes by itself, and takes seconds to begin.
    await Promise.all([requirements(), pylocked(), ...(uv ? [wrongHash(locked("0".repeat(64)))] : [])]);
  });
}

pythonTest("with one hash in requirements.txt each package needs one, and a pip list with it needs none", async () => {
  const environments = await openEnvironments();
  const path = await install(
    environments,
    { "requirements.txt": locked(hashes[1]!) },
    { lockfile: "requirements.txt", pip: ["iniconfig"] },
  );
  expect(await inPython(path, versionOf("six"))).toBe("1.16.0");
  const files = { "requirements.txt": `${locked(hashes[1]!)}iniconfig==2.0.0\n` };
  await expect(install(environments, files, { lockfile: "requirements.txt" })).rejects.toMatchObject({
    problem: { kind: "toolEnded", tool: "uv pip" },
    lines: expect.arrayContaining([expect.stringMatching(/hash/i)]),
  });
});

const uvProject = {
  "pyproject.toml":
    '[project]\nname = "app"\nversion = "0"\nrequires-python = ">=3.9"\ndependencies = ["six"]\n[dependency-groups]\ndev = ["iniconfig"]\n[build-system]\nrequires = ["no-such-backend"]\nbuild-backend = "none"\n',
  "uv.lock": `version = 1
requires-python = ">=3.9"

[[package]]
name = "app"
version = "0"
source = { editable = "." }
dependencies = [{ name = "six" }]

[package.dev-dependencies]
dev = [{ name = "iniconfig" }]

[[package]]
name = "six"
version = "1.16.0"
source = { registry = "https://pypi.org/simple" }
wheels = [
    { url = "${sixUrl}", hash = "sha256:${hashes[1]}" },
]

[[package]]
name = "iniconfig"
version = "2.0.0"
source = { registry = "https://pypi.org/simple" }
wheels = [
    { url = "https://files.pythonhosted.org/packages/ef/a6/62565a6e1cf69e10f5727360368e451d4b7f58beeac6173dc9db836a5b46/iniconfig-2.0.0-py3-none-any.whl", hash = "sha256:b6a85871a79d2e3b22d2d1b94ac2824226a63c6b741c88f7ae975f18b6778374" },
]
`,
};

pythonTest("uv installs what uv.lock says, without the project itself and packages for development", async () => {
  const path = await install(await openEnvironments(), uvProject, { lockfile: "uv.lock" });
  expect(await inPython(path, versionOf("six"))).toBe("1.16.0");
  expect(await pythonHas(path, "app")).toBe(false);
});

pythonTest("uv installs the packages of a workspace from a copy of the bundle", async () => {
  const lock = `version = 1
requires-python = ">=3.9"

[manifest]
members = [
    "app",
    "own",
]

[[package]]
name = "app"
version = "0"
source = { virtual = "." }

[[package]]
name = "own"
version = "4.5.6"
source = { editable = "own" }
`;
  const manifest = '[project]\nname = "app"\nversion = "0"\nrequires-python = ">=3.9"\n[tool.uv.workspace]\nmembers = ["own"]\n';
  const path = await install(
    await openEnvironments(),
    { "pyproject.toml": manifest, "uv.lock": lock, ...own("4.5.6") },
    { lockfile: "uv.lock" },
  );
  expect(await inPython(path, `[${versionOf("own")}, __import__('own').answer]`)).toEqual(["4.5.6", 42]);
});

pythonTest("a uv.lock without uv, and one for another Python, are failures that say so", async () => {
  await expect(install(await openEnvironments({ uv: false }), uvProject, { lockfile: "uv.lock" })).rejects.toMatchObject({
    problem: { kind: "toolNotFound", program: "uv" },
  });
  const future = Object.fromEntries(Object.entries(uvProject).map(([name, text]) => [name, text.replaceAll(">=3.9", ">=3.99")]));
  await expect(install(await openEnvironments(), future, { lockfile: "uv.lock" })).rejects.toMatchObject({
    problem: { kind: "toolEnded", tool: "uv sync" },
    lines: expect.arrayContaining([expect.stringContaining("3.99")]),
  });
});
