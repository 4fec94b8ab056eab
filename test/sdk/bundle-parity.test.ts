// One folder is one bundle, whatever sends it.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { expect, onTestFinished } from "vitest";
import { BundleError } from "../../src/bundle/bundle-error.ts";
import { FileDigests } from "../../src/bundle/file-digests.ts";
import { findFiles } from "../../src/bundle/find-files.ts";
import { realClock } from "../../src/clock/real.ts";
import type { BundleFile } from "../../src/core/bundle.ts";
import { pythonDescriber } from "../../src/engine/local/describer.ts";
import { silentLog } from "../../src/log/log.ts";
import { bundleDigest, byPath } from "../../src/program/bundle-manifest.ts";
import { RpcServer } from "../../src/rpc/server.ts";
import { openApi } from "../api/opened-api.ts";
import { drover } from "../cli/harness.ts";
import { temporaryFolder } from "../replica/harness.ts";
import { type BundleCase, bundleCases, makeCase } from "./bundle-cases.ts";
import { dedent, python, runModule, sdk, pythonTest as test } from "./python-harness.ts";

/** What a sender makes of a folder. */
type Made = { readonly files: readonly BundleFile[] } | { readonly error: string };

const bounds = { filesMax: 10_000, fileBytesMax: 2 ** 30, bundleBytesMax: 2 ** 31 };

const inPython = `
  import json
  from drover.bundle_contents import with_digest
  from drover.bundle_error import BundleError
  from drover.bundle_files import find_files
  from drover.types import BundleBounds
  def made(case):
      bounds = BundleBounds(max_files=case["filesMax"], max_file_bytes=case["fileBytesMax"], max_bundle_bytes=case["bundleBytesMax"])
      try: found = find_files(case["folder"], bounds)
      except BundleError as error: return {"error": str(error)}
      files = [with_digest(one, {}) for one in found]
      return {"files": [{"path": one.path, "executable": one.executable, "sizeBytes": one.size, "sha256": one.sha256} for one in files]}
  print(json.dumps([made(case) for case in json.load(open("cases.json"))]))
`;

/** What the Python SDK makes of each folder. */
async function madeInPython(cases: readonly (BundleCase & { readonly folder: string })[]): Promise<readonly Made[]> {
  const folder = await temporaryFolder();
  writeFileSync(join(folder, "cases.json"), JSON.stringify(cases.map(({ folder, bounds: own }) => ({ folder, ...bounds, ...own }))));
  writeFileSync(join(folder, "check.py"), dedent(inPython));
  const { stdout, stderr } = await runModule("check", [], folder).ended;
  expect(stdout, stderr).not.toBe("");
  return JSON.parse(stdout);
}

/** What the command line and the TypeScript SDK make of a folder. */
async function madeInTypeScript({ folder, bounds: own }: BundleCase & { readonly folder: string }): Promise<Made> {
  const { signal } = new AbortController();
  try {
    const { files: found } = await findFiles(folder, { ...bounds, ...own }, signal);
    return { files: await new FileDigests().digest(found, signal) };
  } catch (error) {
    if (error instanceof BundleError) return { error: error.message };
    throw error;
  }
}

/** The cases, each in a folder of its own. */
async function madeCases(): Promise<readonly (BundleCase & { readonly folder: string })[]> {
  const root = await temporaryFolder();
  return bundleCases.map((one, at) => {
    mkdirSync(join(root, String(at)));
    return { ...one, folder: makeCase(one, join(root, String(at))) };
  });
}

test("the same files of a folder are sent by all, under the same digest, and the same folders are refused", async () => {
  const cases = await madeCases();
  const inPython = await madeInPython(cases);
  for (const [at, one] of cases.entries()) {
    const digest = check(one, inPython[at] as Made, "in Python");
    expect(check(one, await madeInTypeScript(one), "in TypeScript"), one.says).toBe(digest);
  }
});

/** Expects what a case says of what was made of it. Returns the digest. */
function check({ says, folder, files, refused }: BundleCase & { readonly folder: string }, made: Made, where: string): string | undefined {
  const law = `${where}: ${says}`;
  if (files === undefined) {
    for (const text of refused ?? []) expect("error" in made && made.error, law).toContain(text);
    return undefined;
  }
  if ("error" in made) throw new Error(`${law}: ${made.error}`);
  const sent = made.files.toSorted(byPath).map(({ path, executable }) => path + (executable ? "*" : ""));
  expect(sent, law).toEqual(files);
  const contents = made.files.map(({ path, executable }) => {
    const bytes = readFileSync(join(folder, path));
    return { path, executable, sizeBytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
  });
  expect(bundleDigest(made.files), law).toBe(bundleDigest(contents));
  return bundleDigest(made.files);
}

/**
 * Programs in Python: the files of a folder on which their spec depends, and the file that is run.
 */
const programs: Readonly<Record<string, { readonly files: readonly string[]; readonly app: string; readonly options?: string }>> = {
  alone: { files: ["data.txt"], app: "app.py" },
  nested: { files: ["package.json", "service/pyproject.toml", "service/uv.lock", "service/requirements.txt"], app: "service/src/app.py" },
  nearest: { files: ["pyproject.toml", "uv.lock", "src/pylock.toml", "src/deep/requirements.in"], app: "src/deep/app.py" },
  working: { files: ["pyproject.toml", "data/a"], app: "src/app.py", options: 'runtime_env={"working_dir": "../data"}' },
  root: { files: ["requirements.txt"], app: "src/app.py", options: 'version="1", runtime_env={"working_dir": ".."}' },
  given: {
    files: ["requirements.txt", "more/requirements-gpu.txt"],
    app: "app.py",
    options: 'runtime_env={"lockfile": "more/requirements-gpu.txt"}',
  },
};

/** Deploys the program of each of these files. */
const deployAll = `
  import drover, importlib.util, sys
  for path in sys.argv[1:]:
      spec = importlib.util.spec_from_file_location("app" + str(len(sys.modules)), path)
      sys.modules[spec.name] = module = importlib.util.module_from_spec(spec)
      spec.loader.exec_module(module)
      try: drover.run(module.App, timeout=0)
      except drover.StatusError as error: print(error.code)
`;

test("the command line finds unchanged what Python programs have deployed themselves", async () => {
  const { controller, api, close } = await openApi();
  onTestFinished(close);
  const server = new RpcServer({ implementations: [api.implementation], log: silentLog, clock: realClock });
  onTestFinished(() => server.close(0));
  const root = await temporaryFolder();
  const PATH = `${dirname(python())}${delimiter}${process.env.PATH}`;
  const env = { DROVER_API: await server.listen("127.0.0.1:0"), PATH, PYTHONDONTWRITEBYTECODE: "1" };
  const paths = Object.entries(programs).map(([name, { files, app, options = "" }]) => {
    for (const path of [...files, app]) {
      mkdirSync(dirname(join(root, name, path)), { recursive: true });
      writeFileSync(join(root, name, path), "");
    }
    const path = join(root, name, app);
    writeFileSync(path, `import drover\n@drover.deployment(name="${name}", ${options})\nclass App: pass\n`);
    return path;
  });
  writeFileSync(join(root, "deploy_all.py"), dedent(deployAll));
  const { stdout, stderr } = await runModule("deploy_all", paths, root, env).ended;
  expect(stdout, stderr).toBe("DEADLINE_EXCEEDED\n".repeat(paths.length));

  const openDescriber = () => pythonDescriber(sdk, root, env);
  const lockfiles = Object.keys(programs).map(async (name, at) => {
    const ran = await drover(["run", "--no-wait", String(paths[at])], { cwd: root, env, openDescriber });
    expect(ran.exitCode, ran.stderr).toBe(0);
    const { deployment } = await controller.getDeployment({ name });
    expect(deployment?.status?.generation, `${name}: ${ran.stdout}`).toBe(1n);
    expect(deployment?.spec?.runtimeEnv?.bundle, name).not.toBe("");
    return [name, deployment?.spec?.runtimeEnv?.lockfile] as const;
  });
  expect(Object.fromEntries(await Promise.all(lockfiles))).toEqual({
    alone: "",
    nested: "uv.lock",
    nearest: "src/pylock.toml",
    working: "",
    root: "requirements.txt",
    given: "more/requirements-gpu.txt",
  });
});
