import { expect, test } from "vitest";
import { resolveRequirements } from "../../../src/engine/local/requirements.ts";
import { bundleFolder, type Contents } from "./bundle-folder.ts";

/** What the packages of a bundle are identified by, and the files that they need. */
async function resolve(contents: Contents, lockfile?: string, npm: readonly string[] = [], pip: readonly string[] = []) {
  const { bundle, require } = await bundleFolder(contents);
  const { identity, files } = await resolveRequirements(require({ npm, pip, ...(lockfile === undefined ? {} : { lockfile }) }), bundle);
  return { identity, files: files.map(({ path }) => path), all: files.length === bundle.files.length };
}

const program = { "main.py": "1", "src/app.mjs": "1" };
const edited = { "main.py": "2", "src/app.mjs": "2", "more.txt": "" };

const npmLock = (packages: object) =>
  JSON.stringify({ lockfileVersion: 3, packages: { "": {}, "node_modules/a": { version: "1.0.0" }, ...packages } });
const uvLock = (source: string) =>
  `version = 1\n[[package]]\nname = "app"\nsource = { virtual = "." }\n[[package]]\nname = "x"\nsource = { ${source} }\n`;

test("lists of packages are identified without a bundle, whatever their order", async () => {
  const lists = [
    [["a", "b@1"], ["c"]],
    [["b@1", "a"], ["c"]],
  ] as const;
  const resolved = await Promise.all(lists.map(([npm, pip]) => resolveRequirements({ npm, pip }, undefined)));
  expect(new Set(resolved.map(({ identity }) => identity)).size).toBe(1);
  const inBundle = await resolve(program, undefined, ["a", "b@1"], ["c"]);
  expect(inBundle).toEqual({ identity: resolved[0]?.identity, files: [], all: false });
});

test.each<[string, string, Contents]>([
  ["npm", "package-lock.json", { "package.json": "{}", ".npmrc": "", "package-lock.json": npmLock({}) }],
  ["npm in a folder", "web/package-lock.json", { "web/package.json": "{}", "web/package-lock.json": npmLock({}) }],
  ["uv", "uv.lock", { "pyproject.toml": "", "uv.toml": "", "uv.lock": uvLock('registry = "https://pypi.org/simple"') }],
  ["pylock", "pylock.toml", { "pylock.toml": '[[packages]]\nname = "x"\nwheels = [{ url = "https://example.org/path/x.whl" }]\n' }],
  [
    "pip",
    "requirements.txt",
    { "requirements.txt": "six==1.0 # see ./notes\nx @ https://example.org/x.whl --hash=sha256:00\n--index-url https://example.org/\n" },
  ],
  [
    "pip with files that it includes",
    "py/requirements-all.txt",
    {
      "py/requirements-all.txt": "-r more.txt\n--constraint=../bounds.txt\n",
      "py/more.txt": "-rrequirements-all.txt\nsix; python_version > '3'\n",
      "bounds.txt": "six\\\n<2",
    },
  ],
])("bundles with an equal lockfile have equal packages: %s", async (_, lockfile, named) => {
  const before = await resolve({ ...program, ...named }, lockfile);
  expect(before.files.toSorted()).toEqual(Object.keys(named).toSorted());
  expect((await resolve({ ...edited, ...named }, lockfile)).identity).toBe(before.identity);
  for (const path of Object.keys(named)) {
    const content = `${named[path]}\n `;
    expect((await resolve({ ...program, ...named, [path]: content }, lockfile)).identity, path).not.toBe(before.identity);
  }
});

test.each<[string, string]>([
  ["package-lock.json", npmLock({ "node_modules/own": { resolved: "packages/own", link: true }, "packages/own": {} })],
  ["package-lock.json", npmLock({ "node_modules/own": { resolved: "file:own-1.0.0.tgz" } })],
  ["package-lock.json", JSON.stringify({ lockfileVersion: 1, dependencies: { own: { version: "file:own" } } })],
  ["uv.lock", uvLock('editable = "packages/x"')],
  ["uv.lock", uvLock('path = "x.whl"')],
  ["uv.lock", uvLock('registry = "wheels"')],
  ["pylock.toml", '[[packages]]\nname = "x"\ndirectory = { path = "x" }\n'],
  ["pylock.toml", '[[packages]]\nname = "x"\n[packages.archive]\npath = "x.zip"\n'],
  ["requirements.txt", "six\n-e ."],
  ["requirements.txt", "./own"],
  ["requirements.txt", "own[fast] @ file:///etc/own"],
  ["requirements.txt", "wheels/own-1-py3-none-any.whl"],
  ["requirements.txt", "own-1-py3-none-any.whl --hash=sha256:00"],
  ["requirements.txt", "--find-links wheels\nsix"],
  ["requirements.txt", "s\0i\0x\0"],
])("a lockfile that names files of the bundle has other packages with each of them: %s %#", async (lockfile, content) => {
  const named = { [lockfile]: content };
  const before = await resolve({ ...program, ...named }, lockfile);
  expect(before.all).toBe(true);
  expect((await resolve({ ...edited, ...named }, lockfile)).identity).not.toBe(before.identity);
});

test.each([
  ["an archive", { "node_modules/drover": { resolved: "file:../drover-0.1.0.tgz" } }],
  ["a clone", { "node_modules/drover": { resolved: "../drover", link: true }, "../drover": { name: "drover" } }],
])("the SDK from %s outside of the bundle counts as none: a replica has it", async (_, packages) => {
  const named = { "package.json": "{}", "package-lock.json": npmLock(packages) };
  expect((await resolve({ ...program, ...named }, "package-lock.json")).all).toBe(false);
  const vendored = { ...named, "package-lock.json": npmLock({ "node_modules/drover": { resolved: "file:vendor/drover.tgz" } }) };
  expect((await resolve({ ...program, ...vendored }, "package-lock.json")).all).toBe(true);
});

test("a script that npm runs at the installation may read any file", async () => {
  const lock = { "package-lock.json": npmLock({}) };
  const script = (name: string) =>
    resolve({ ...program, ...lock, "package.json": JSON.stringify({ scripts: { [name]: "true" } }) }, "package-lock.json");
  expect((await script("postinstall")).all).toBe(true);
  expect((await script("test")).all).toBe(false);
});

test("a file that a list names is read, and no other", async () => {
  const named = { "own.tgz": "1", "wheels/own.whl": "1" };
  const lists = [["./own.tgz", "a"], ["./wheels/own.whl"]] as const;
  const before = await resolve({ ...program, ...named }, undefined, ...lists);
  expect(before.files).toEqual(["own.tgz", "wheels/own.whl"]);
  expect((await resolve({ ...edited, ...named }, undefined, ...lists)).identity).toBe(before.identity);
  expect((await resolve({ ...program, ...named, "own.tgz": "2" }, undefined, ...lists)).identity).not.toBe(before.identity);
});

test.each<[string, Contents]>([
  ["package-lock.json", { "package-lock.json": "no JSON" }],
  ["package-lock.json", { "package-lock.json": "[1]", "package.json": "null" }],
  ["package-lock.json", { "package-lock.json": '{"packages":[]}', "package.json": '{"scripts":"x"}' }],
  ["requirements.txt", { "requirements.txt": "-r ../../../etc/passwd\n-r /etc/passwd\n-r https://example.org/\n-r" }],
  ["requirements.txt", { "requirements.txt": "" }],
])("what a tool will refuse is left to the tool: %s %#", async (lockfile, named) => {
  expect((await resolve({ ...program, ...named }, lockfile)).files.toSorted()).toEqual(Object.keys(named).toSorted());
});

test("requirements files that include ever more files end", async () => {
  const many = Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`r${n}.txt`, `-r r${n + 1}.txt`]));
  expect((await resolve({ ...many, "requirements.txt": "-r r0.txt" }, "requirements.txt")).all).toBe(true);
});

test("a lockfile that is too long to be read here is left to the tool", async () => {
  const content = `${" ".repeat(16 * 1024 * 1024)}-e .`;
  expect((await resolve({ ...program, "requirements.txt": content }, "requirements.txt")).files).toEqual(["requirements.txt"]);
});

test("a file that the bundle lacks is a failed installation that names it", async () => {
  const missing = { problem: { kind: "system", why: expect.stringContaining("package-lock.json") } };
  await expect(resolve(program, "package-lock.json")).rejects.toMatchObject(missing);
  await expect(resolveRequirements({ npm: [], pip: [], lockfile: "package-lock.json" }, undefined)).rejects.toMatchObject(missing);
});
