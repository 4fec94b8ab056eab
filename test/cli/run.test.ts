import { fileURLToPath } from "node:url";
import { toJson } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import type { ApplyRequest } from "../../gen/drover/v1/controller_service_pb.ts";
import { DeploymentSpecSchema } from "../../gen/drover/v1/deployment_pb.ts";
import { splitModule } from "../../src/cli/program-file.ts";
import { deploymentOf, describing, folder, type Run, type RunOptions, serve } from "./harness.ts";

const digest = expect.stringMatching(/^[0-9a-f]{16}$/);
const bundle = expect.stringMatching(/^sha256:[0-9a-f]{64}$/);

const definitionPath = fileURLToPath(new URL("../../src/program/definition.ts", import.meta.url));
const applicationPath = fileURLToPath(new URL("../../src/program/application.ts", import.meta.url));

/** Runs `drover run` in a folder with the modules given; `specs` are what was deployed. */
async function running(modules: Readonly<Record<string, string>>): Promise<{
  readonly cwd: string;
  readonly specs: readonly unknown[];
  readonly requests: readonly ApplyRequest[];
  readonly run: (...argv: readonly string[]) => Promise<Run>;
  readonly runWith: (options: RunOptions, ...argv: readonly string[]) => Promise<Run>;
}> {
  const specs: unknown[] = [];
  const requests: ApplyRequest[] = [];
  const withImport = Object.entries(modules).map(([name, text]) => [
    name,
    `import { define } from ${JSON.stringify(definitionPath)};\nimport { bind } from ${JSON.stringify(applicationPath)};\n${text}`,
  ]);
  const cwd = await folder(Object.fromEntries(withImport) as Record<string, string>);
  const run = await serve({
    apply: (request) => {
      requests.push(request);
      for (const spec of request.specs) specs.push(toJson(DeploymentSpecSchema, spec, { useProtoFieldName: true }));
      return { results: request.specs.map(({ name }) => ({ deployment: deploymentOf(name) })) };
    },
  });
  const runWith = (options: RunOptions, ...argv: readonly string[]) => run(["run", "--no-wait", ...argv], { cwd, ...options });
  return { cwd, specs, requests, run: (...argv) => runWith({}, ...argv), runWith };
}

test("run deploys the module's deployment with the options written in code", async () => {
  const { cwd, specs, run } = await running({
    "app.mts":
      "class MyModel {}\nconst replicas: number = 2;\nexport const Model = define(MyModel, { numReplicas: replicas, requestTimeout: 1.5, runtimeEnv: { workingDir: 'data' } });",
  });
  const ended = await run("app.mts");
  expect(ended).toMatchObject({ exitCode: 0, stdout: "my-model  deployed  generation 1\n" });
  expect(ended.stderr).toMatch(/^sending 1 file of \S+, \d+ bytes\n$/);
  const spec = { name: "my-model", num_replicas: 2, request_timeout: "1.500s" };
  expect(specs).toEqual([{ ...spec, program: { module: { path: "app.mts" } }, runtime_env: { working_dir: "data", bundle } }]);
  // The controller has all of it now.
  expect(await run("app.mts")).toMatchObject({ exitCode: 0, stderr: "" });
  expect(specs[1]).toEqual(specs[0]);
  expect(await run("app.mts", "--no-bundle")).toMatchObject({ exitCode: 0, stderr: "" });
  expect(specs[2]).toEqual({
    ...{ ...spec, version: digest, program: { module: { path: `${cwd}/app.mts` } } },
    runtime_env: { working_dir: `${cwd}/data` },
  });
});

test("an empty version stays empty with a bundle, and becomes a digest of the program without one", async () => {
  const { specs, requests, run } = await running({ "app.mjs": "export default define(class App {});" });
  await run("app.mjs");
  await run("app.mjs", "--redeploy");
  await run("app.mjs", "--no-bundle");
  await run("app.mjs", "--no-bundle", "--redeploy");
  const versions = specs.map((spec) => (spec as { version?: string }).version ?? "");
  expect(versions[2]).toMatch(/^[0-9a-f]{16}$/);
  expect(versions).toEqual(["", "", versions[2], versions[2]]);
  expect(requests.map(({ redeploy }) => redeploy)).toEqual([false, true, false, true]);
});

test("of several deployments one is named, and flags go before the code's options", async () => {
  const { specs, run, cwd } = await running({
    "app.mjs":
      "export const A = define(class {}, { name: 'a' });\nexport const B = define(class {}, { name: 'b', numReplicas: 1, resources: { numGpus: 1 }, runtimeEnv: { envVars: { X: '1' } } });",
  });
  expect(await run("app.mjs")).toMatchObject({
    exitCode: 1,
    stderr: `error: ${cwd}/app.mjs: it exports several deployments, name one of them: A, B\n`,
  });
  const flags = [
    "--name",
    "c",
    "--replicas",
    "3",
    "--num-cpus",
    "0.5",
    "--max-ongoing-requests",
    "9",
    "--env",
    "Y=2=3",
    "--env",
    "X=4",
    "--init-args",
    '{"size": [1]}',
  ];
  expect(await run("app.mjs:B", ...flags)).toMatchObject({ exitCode: 0 });
  expect(specs).toEqual([
    {
      name: "c",
      program: { module: { path: "app.mjs", export_name: "B" } },
      num_replicas: 3,
      max_ongoing_requests: 9,
      resources: { num_cpus: 0.5, num_gpus: 1 },
      runtime_env: { bundle, env_vars: { X: "4", Y: "2=3" } },
      init_args: { size: [1] },
    },
  ]);
});

test.each([
  ["throws.mjs", "throw new TypeError('no model');", "TypeError: no model"],
  ["missing.mjs", "import './not-there.mjs';", "not-there.mjs"],
  ["none.mjs", "export const x = 1;", "it exports no deployment; it exports x"],
])("a module that cannot be deployed is said to be so without a stack: %s", async (name, text, said) => {
  const { run, specs } = await running({ [name]: text });
  const ended = await run(name);
  expect(ended.exitCode).toBe(1);
  expect(ended.stderr).toContain(said);
  expect(ended.stderr).not.toMatch(/\n\s+at /);
  expect(specs).toEqual([]);
});

test("a module that imports a package that is not there gets a hint", async () => {
  const { run } = await running({ "app.mjs": "import 'no-such-package';" });
  expect((await run("app.mjs")).stderr).toContain("import packages that only the replicas have");
});

test("a module that is not there is named with its whole path", async () => {
  const { run, cwd } = await running({});
  expect(await run("none.ts:X")).toMatchObject({ exitCode: 1, stderr: `error: cannot run ${cwd}/none.ts: there is no such file\n` });
});

test("Ctrl-C ends the wait for a module that never finishes loading", async () => {
  const { runWith } = await running({ "hangs.mjs": "globalThis.droverTestLoading?.();\nawait new Promise(() => {});" });
  const interrupt = new AbortController();
  const loading = globalThis as { droverTestLoading?: () => void };
  loading.droverTestLoading = () => interrupt.abort();
  expect(await runWith({ interrupted: interrupt.signal }, "hangs.mjs")).toMatchObject({ exitCode: 130 });
});

test("a colon begins the export, except in the name of a file that is there", async () => {
  const cwd = await folder({ "a:b": "" });
  expect(splitModule("a:b", cwd)).toEqual({ file: `${cwd}/a:b`, exportName: "" });
  expect(splitModule("c.ts:Über_1", cwd)).toEqual({ file: `${cwd}/c.ts`, exportName: "Über_1" });
  expect(splitModule("c.ts:9", cwd)).toEqual({ file: `${cwd}/c.ts:9`, exportName: "" });
});

test("a Python file is asked itself what it is, and runs by the SDK's host", async () => {
  const { cwd, specs, runWith } = await running({ "app.py": "" });
  const asked: unknown[] = [];
  const spec = { name: "model", num_replicas: 2, runtime_env: { pip: ["six"] } };
  const described = { application: null, deployments: [{ spec, export: "Model", uses: [] }], files: [] };
  const openDescriber = describing(async (...about) => {
    asked.push(about);
    return { stdout: JSON.stringify(described) };
  });
  expect(await runWith({ openDescriber }, "app.py:Model", "--pip", "numpy>=2")).toMatchObject({ exitCode: 0 });
  expect(asked).toEqual([[`${cwd}/app.py`, "Model", ""]]);
  expect(specs).toEqual([
    {
      name: "model",
      num_replicas: 2,
      program: { module: { path: "app.py", export_name: "Model" } },
      runtime_env: { bundle, pip: ["six", "numpy>=2"] },
    },
  ]);
  const failure = "Traceback (most recent call last):\nModuleNotFoundError: No module named 'torch'";
  expect(await runWith({ openDescriber: describing(async () => ({ failure, missesModule: true })) }, "app.py")).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining(
      `error: cannot run ${cwd}/app.py:\n  ${failure.replace("\n", "\n  ")}\n  install it here, import packages that only the replicas have`,
    ),
  });
});

test("what comes after -- is a program that is run as it is, in this folder", async () => {
  const { cwd, specs, run } = await running({ "serve.mjs": "" });
  expect(await run("--name", "web", "--", "node", "serve.mjs", "--listen", "{listen}")).toMatchObject({ exitCode: 0 });
  expect(await run("--", "./Half_Server.sh")).toMatchObject({ exitCode: 0 });
  expect(specs).toEqual([
    {
      name: "web",
      program: { command: { argv: ["node", "serve.mjs", "--listen", "{listen}"] } },
      runtime_env: { bundle },
    },
    { name: "half-server", program: { command: { argv: ["./Half_Server.sh"] } }, runtime_env: { working_dir: cwd } },
  ]);
  expect(await run("serve.mjs", "x")).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("put -- before a program") });
});

const graph = `
  class Translator {}
  class Summarizer {}
  class Ranker {}
  const translator = define(Translator);
  export const Named = define(Summarizer, { numReplicas: 2 });
  export const build = ({ size, model = "small" }) => {
    const shared = bind(translator, { size });
    return bind(Named, { translator: shared, rankers: [bind(define(Ranker), { shared, model }), bind(translator)] });
  };
  export const app = build({ size: 1 });
`;

test("all deployments of an application are deployed by one Apply, and what is no longer in it goes", async () => {
  const { specs, requests, run } = await running({ "app.mjs": graph });
  const { exitCode, stdout } = await run("app.mjs");
  expect(exitCode).toBe(0);
  expect(stdout.split("\n").slice(0, 7)).toEqual([
    "application summarizer",
    "summarizer",
    "├─ translator",
    "├─ ranker",
    "│  └─ translator",
    "└─ translator-2",
    "summarizer  deployed  generation 1",
  ]);
  expect(requests).toMatchObject([{ application: "summarizer", prune: true }]);
  const at = (exportName: string) => ({ module: { path: "app.mjs", export_name: exportName } });
  const handle = (name: string) => ({ $deployment: name });
  expect(specs).toEqual([
    {
      name: "summarizer",
      program: at("app#summarizer"),
      runtime_env: { bundle },
      num_replicas: 2,
      init_args: { translator: handle("translator"), rankers: [handle("ranker"), handle("translator-2")] },
    },
    { name: "translator", runtime_env: { bundle }, program: at("app#translator"), init_args: { size: 1 } },
    { name: "ranker", runtime_env: { bundle }, program: at("app#ranker"), init_args: { shared: handle("translator"), model: "small" } },
    { name: "translator-2", runtime_env: { bundle }, program: at("app#translator-2") },
  ]);
});

test("a function builds the application with the arguments of the command line, JSON or text", async () => {
  const { specs, requests, run } = await running({ "app.mjs": graph });
  expect(await run("app.mjs:build", "size=2", "model=large", "--app", "mine", "--env", "A=1")).toMatchObject({ exitCode: 0 });
  expect(requests).toMatchObject([{ application: "mine", prune: true }]);
  expect(specs).toMatchObject([
    { name: "summarizer", program: { module: { export_name: "Named" } }, runtime_env: { env_vars: { A: "1" } } },
    { init_args: { size: 2 }, program: { module: { export_name: 'build?{"size":2,"model":"large"}#translator' } } },
    { init_args: { model: "large" } },
    {},
  ]);
});

test("an option of one deployment is refused for several", async () => {
  const { requests, run } = await running({ "app.mjs": graph });
  expect(await run("app.mjs", "--max-ongoing-requests", "3")).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining("--max-ongoing-requests"),
  });
  expect(await run("app.mjs:Named", "--replicas", "3")).toMatchObject({ exitCode: 0 });
  expect(requests).toMatchObject([{ application: "", prune: false, specs: [{ name: "summarizer", numReplicas: 3 }] }]);
  // A deployment alone is not all of its application.
  expect(await run("app.mjs:Named", "--app", "mine")).toMatchObject({ exitCode: 0 });
  expect(requests[1]).toMatchObject({ application: "mine", prune: false });
});

test("a dry run lists what would be sent, the largest first, and sends nothing", async () => {
  const { specs, run } = await running({
    "app.mjs": "export default define(class App {});",
    "words.txt": "",
    ".gitignore": "*.log",
    "a.log": "",
  });
  const { exitCode, stdout } = await run("app.mjs", "--dry-run");
  expect(exitCode).toBe(0);
  const [head = "", ...lines] = stdout.split("\n");
  expect(head).toMatch(/ {2}3 files, .* lacks 3 files/);
  const listed = lines.slice(0, 3).map((line) => line.trim().split(" ")[0]);
  expect([listed[0], listed.toSorted()]).toEqual(["app.mjs", [".gitignore", "app.mjs", "words.txt"]]);
  expect(stdout).not.toContain("a.log");
  // The controller has none of it: all is sent now, under the digest that the dry run said.
  const sent = await run("app.mjs");
  expect(sent.stderr).toMatch(/^sending 3 files /);
  expect(specs[1]).toEqual(specs[0]);
  const json = await run("app.mjs", "--dry-run", "-o", "json");
  expect(JSON.parse(json.stdout)).toMatchObject({ results: [{}] });
});

test("--bundle names the folder from where the command runs", async () => {
  const { cwd, specs, run } = await running({ "app.mjs": "export default define(class App {});" });
  expect(await run("app.mjs", "--bundle", ".", "--no-lockfile")).toMatchObject({ exitCode: 0 });
  expect(specs).toMatchObject([{ program: { module: { path: "app.mjs" } } }]);
  const refused = await run("app.mjs", "--bundle", "none");
  expect(refused).toMatchObject({ exitCode: 1, stderr: expect.stringContaining(`${cwd}/none`) });
});
