// The options in the code of a program, under those of the file that deploys it; and the file that
// `drover build` makes of them.
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { toJson } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { DeploymentSpecSchema } from "../../gen/drover/v1/deployment_pb.ts";
import { deploymentOf, describing, folder, type Run, type RunOptions, serve } from "./harness.ts";

const source = (path: string) => JSON.stringify(fileURLToPath(new URL(`../../src/program/${path}`, import.meta.url)));
const imports = `import { define } from ${source("definition.ts")};\nimport { bind } from ${source("application.ts")};\n`;

const bundle = expect.stringMatching(/^sha256:[0-9a-f]{64}$/);

interface Deployed {
  readonly cwd: string;
  /** Runs a command; its specs are what it deployed. */
  readonly run: (argv: readonly string[], options?: RunOptions) => Promise<Run & { readonly specs: readonly Record<string, unknown>[] }>;
}

async function deploying(files: Readonly<Record<string, string>>): Promise<Deployed> {
  let specs: Record<string, unknown>[] = [];
  const cwd = await folder({ "package.json": '{"type": "module"}' });
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(cwd, path, ".."), { recursive: true });
    await writeFile(join(cwd, path), text);
  }
  const run = await serve({
    apply: (request) => {
      specs = request.specs.map((spec) => toJson(DeploymentSpecSchema, spec, { useProtoFieldName: true }) as Record<string, unknown>);
      return { results: request.specs.map(({ name }) => ({ deployment: deploymentOf(name) })) };
    },
  });
  return {
    cwd,
    run: async (argv, options) => {
      specs = [];
      return { ...(await run(argv, { cwd, ...options })), specs };
    },
  };
}

const code = `${imports}
export const Model = define(class Model {}, {
  version: "7",
  resources: { numCpus: 0.5, numGpus: 1 },
  autoscalingConfig: { maxReplicas: 4, upscaleDelay: 2 },
  labels: { team: "a", kind: "b" },
  userConfig: { threshold: 1, words: ["a"] },
  initArgs: { size: 1 },
  runtimeEnv: { workingDir: "data", npm: ["zod"], envVars: { A: "1" } },
  maxQueuedRequests: 9,
});`;

test("a file's fields go before the options in the code, one by one", async () => {
  const yaml = `
name: other
program: { module: { path: app/model.mjs, export_name: Model } }
num_replicas: 3
resources: { num_cpus: 0.25 }
labels: { kind: c }
user_config: { threshold: 2 }
runtime_env: { npm: [], env_vars: { B: "2" } }
`;
  const { run } = await deploying({ "app/model.mjs": code, "app.yaml": yaml, "bare.yaml": yaml.split("\n").slice(2, 3).join("\n") });
  const deployed = await run(["deploy", "app.yaml", "--no-wait"]);
  expect(deployed).toMatchObject({ exitCode: 0 });
  expect(deployed.specs).toEqual([
    {
      name: "other",
      version: "7",
      program: { module: { path: "app/model.mjs", export_name: "Model" } },
      num_replicas: 3,
      resources: { num_cpus: 0.25, num_gpus: 1 },
      labels: { team: "a", kind: "c" },
      user_config: { threshold: 2 },
      init_args: { size: 1 },
      runtime_env: { bundle, working_dir: "app/data", env_vars: { A: "1", B: "2" } },
      max_queued_requests: 9,
    },
  ]);
  const { specs } = await run(["deploy", "bare.yaml", "--no-wait"]);
  expect(specs).toMatchObject([
    { name: "model", autoscaling_config: { max_replicas: 4, upscale_delay: "2s" }, runtime_env: { npm: ["zod"] } },
  ]);
});

test("what a controller printed is deployed as it is, whatever the code says", async () => {
  const { run, cwd } = await deploying({ "model.mjs": code });
  const stdin = JSON.stringify({ spec: { name: "a", program: { module: { path: join(cwd, "model.mjs") } } }, status: {} });
  const { specs, stderr } = await run(["deploy", "-", "--no-wait"], { stdin });
  expect(specs, stderr).toEqual([{ name: "a", program: { module: { path: `${cwd}/model.mjs` } } }]);
});

test("where the code cannot be read, the file counts alone, and a line says so", async () => {
  const { run } = await deploying({
    "model.mjs": "import 'no-such-package';",
    "graph.mjs": `${imports}export const app = bind(define(class A {}), { b: bind(define(class B {})) });`,
    "app.yaml": "name: a\nprogram:\n  module: { path: model.mjs }\n---\nname: b\nprogram: { module: { path: graph.mjs } }\n",
    "away.yaml": "name: a\nprogram: { module: { path: not-on-this-machine.mjs } }\n",
  });
  const { exitCode, stderr, specs } = await run(["deploy", "app.yaml", "--no-wait"]);
  expect(exitCode).toBe(0);
  expect(stderr).toMatch(/^app\.yaml:2: .*no-such-package.*\napp\.yaml:6: .*drover build/s);
  expect(specs).toMatchObject([{ name: "a" }, { name: "b" }]);
});

test("a program that is not on this machine is deployed as a path of the controller's, where that is said", async () => {
  const { run } = await deploying({ "away.yaml": "name: a\nprogram:\n  module: { path: not-on-this-machine.mjs }\n" });
  const refused = await run(["deploy", "away.yaml", "--no-wait"]);
  expect(refused).toMatchObject({ exitCode: 1, specs: [] });
  expect(refused.stderr).toMatch(/^error: away\.yaml:2: .*not-on-this-machine\.mjs.*--no-bundle/);
  expect(await run(["deploy", "away.yaml", "--no-wait", "--no-bundle"])).toMatchObject({ exitCode: 0, stderr: "" });
});

test("a file that names a bundle is deployed with its paths as they are", async () => {
  const digest = `sha256:${"0".repeat(64)}`;
  const { run } = await deploying({
    "app.mjs": "throw new Error('is not imported');",
    "app.yaml": `name: a\nprogram: { module: { path: app.mjs } }\nruntime_env: { bundle: "${digest}", working_dir: data }\n`,
  });
  const { specs, stderr } = await run(["deploy", "app.yaml", "--no-wait"]);
  const environment = { bundle: digest, working_dir: "data" };
  expect(specs, stderr).toEqual([{ name: "a", program: { module: { path: "app.mjs" } }, runtime_env: environment }]);
});

/** As `drover.describe` answers for `pkg/app.py`. */
const openDescriber = describing(async (file) => ({
  stdout: JSON.stringify({
    application: null,
    deployments: [{ spec: { name: "model", num_replicas: 2 }, export: "Model", uses: [] }],
    files: [file, join(file, "../words.py")],
  }),
}));

test("a Python program in a file is sent as with run; without a bundle it runs in its folder, and its version is of what it imports", async () => {
  const { cwd, run } = await deploying({
    "pkg/app.py": "",
    "pkg/words.py": "a = 1",
    "pkg/requirements.txt": "",
    "app.yaml": "program: { module: { path: pkg/app.py, export_name: Model } }\n",
    "sdk.yaml": "program: { command: { argv: [python3, -m, drover.replica, pkg/app.py] } }\n",
  });
  const specOf = async (...argv: readonly string[]) => (await run([...argv, "--no-wait"], { openDescriber })).specs[0];
  const bundled = await specOf("deploy", "app.yaml");
  const program = { module: { path: "app.py", export_name: "Model" } };
  expect(bundled).toEqual({ name: "model", num_replicas: 2, program, runtime_env: { bundle, lockfile: "requirements.txt" } });
  expect(await specOf("run", "pkg/app.py")).toEqual(bundled);
  expect(await specOf("deploy", "sdk.yaml")).toMatchObject({ name: "model", num_replicas: 2, runtime_env: { bundle } });
  const before = await specOf("deploy", "app.yaml", "--no-bundle");
  expect(before).toEqual({
    name: "model",
    version: expect.stringMatching(/^[0-9a-f]{16}$/),
    num_replicas: 2,
    program: { module: { path: `${cwd}/pkg/app.py`, export_name: "Model" } },
    runtime_env: { working_dir: `${cwd}/pkg` },
  });
  expect(await specOf("run", "pkg/app.py", "--no-bundle")).toEqual(before);
  const command = await specOf("deploy", "sdk.yaml", "--no-bundle");
  expect(command).toMatchObject({ name: "model", num_replicas: 2, runtime_env: { working_dir: cwd } });
  await writeFile(join(cwd, "pkg/words.py"), "a = 2");
  expect((await specOf("deploy", "app.yaml", "--no-bundle"))?.version).not.toBe(before?.version);
  expect((await specOf("deploy", "sdk.yaml", "--no-bundle"))?.version).not.toBe(command?.version);
});

test("what build prints deploys as run does, from where it is", async () => {
  const graph = `${code}
export const build = ({ size = 1 }) => bind(define(class Root {}, { requestTimeout: 1.5 }), { model: bind(Model, { size }), other: bind(define(class Other {})) });
export const app = build({});`;
  const { cwd, run } = await deploying({ "pkg/app.mjs": graph, "pkg/app.py": "" });
  for (const given of [["pkg/app.mjs"], ["pkg/app.mjs:build", "size=2", "--app", "mine"], ["pkg/app.mjs:Model"], ["pkg/app.py"]]) {
    const built = await run(["build", ...given], { openDescriber });
    expect(built).toMatchObject({ exitCode: 0, stderr: "" });
    expect(built.stdout).not.toContain(cwd);
    const ran = await run(["run", ...given, "--no-wait"], { openDescriber });
    await writeFile(join(cwd, "built.yaml"), built.stdout);
    const deployed = await run(["deploy", "built.yaml", "--no-wait"], { openDescriber });
    await rm(join(cwd, "built.yaml")); // for `run` it is a file as any other
    const application = given.includes("mine") ? "mine" : given[0] === "pkg/app.mjs" ? "root" : undefined;
    expect(deployed.specs).toEqual(ran.specs.map((spec) => ({ ...spec, ...(application && { application }) })));
  }
  const { stdout } = await run(["build", "pkg/app.mjs"]);
  expect(parseAllDocuments(stdout).map((document) => Object.keys(parse(String(document)) as object)[0])).toEqual(["name", "name", "name"]);
});
