import { durationMs } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { RolloutStrategy } from "../../gen/drover/v1/deployment_pb.ts";
import { CliError } from "../../src/cli/cli-error.ts";
import { parseSpecs, readSpecFiles } from "../../src/cli/spec-file.ts";
import { folder } from "./harness.ts";

const problemsOf = (text: string) => parseSpecs("app.yaml", text).problems;

async function* nothing(): AsyncGenerator<string> {}

async function read(files: Readonly<Record<string, string>>, ...names: readonly string[]) {
  const cwd = await folder(files);
  return { cwd, loaded: await readSpecFiles(names, { cwd, stdin: nothing() }) };
}

const full = `
name: sentiment
version: "7"
program: { module: { path: app.ts, export_name: App } }
init_args: { model: small, sizes: [1, 2.5, null] }
runtime_env:
  env_vars: { PORT: "80" }
num_replicas: 3
resources: { num_cpus: 0.5, memory_bytes: 1073741824 }
max_ongoing_requests: 10
user_config: [a, { b: true }]
health_check: { period: 500ms, timeout: 2s, failure_threshold: 2 }
graceful_shutdown_timeout: 1m30s
request_timeout: 0.25s
labels: { team: search }
`;

test("a spec in YAML becomes the message, field by field", () => {
  const { specs, problems } = parseSpecs("app.yaml", full);
  expect(problems).toEqual([]);
  const spec = specs[0]?.spec;
  expect(spec).toMatchObject({
    name: "sentiment",
    version: "7",
    program: { kind: { case: "module", value: { path: "app.ts", exportName: "App" } } },
    initArgs: { model: "small", sizes: [1, 2.5, null] },
    runtimeEnv: { envVars: { PORT: "80" } },
    numReplicas: 3,
    resources: { numCpus: 0.5, memoryBytes: 1_073_741_824n },
    maxOngoingRequests: 10,
    labels: { team: "search" },
  });
  expect(spec?.healthCheck?.period && durationMs(spec.healthCheck.period)).toBe(500);
  expect(spec?.gracefulShutdownTimeout && durationMs(spec.gracefulShutdownTimeout)).toBe(90_000);
  expect(spec?.requestTimeout && durationMs(spec.requestTimeout)).toBe(250);
});

test("num_replicas auto follows the load, by what autoscaling_config says, or else as Ray Serve does", () => {
  for (const [more, maxReplicas] of [
    ["", 100],
    ["\nautoscaling_config: { max_replicas: 5 }", 5],
  ] as const) {
    const spec = parseSpecs("app.yaml", `name: a\nnum_replicas: auto${more}`).specs[0]?.spec;
    expect(spec?.numReplicas).toBeUndefined();
    expect(spec?.autoscalingConfig).toMatchObject({ minReplicas: 1, maxReplicas, targetOngoingRequests: 2 });
  }
});

test.each([
  ["num_cpus: 1", "did you mean resources.num_cpus?"],
  ["numCpus: 1", "did you mean resources.num_cpus?"],
  ["ray_actor_options: {}", "did you mean resources and runtime_env?"],
  ["upscale_delay_s: 1", "did you mean autoscaling_config.upscale_delay?"],
  ["max_replicas: 3", "did you mean autoscaling_config.max_replicas?"],
  ["health_check_period_s: 1", "did you mean health_check.period?"],
  ["graceful_shutdown_timeout_s: 1", "did you mean graceful_shutdown_timeout?"],
  ["max_concurrent_queries: 1", "did you mean max_ongoing_requests?"],
  ["resources: { memory: 1 }", "did you mean memory_bytes?"],
  ["autoscaling_config: { target_num_ongoing_requests_per_replica: 1 }", "did you mean target_ongoing_requests?"],
  ["route_prefix: /", "Ray Serve has it; leave it out"],
])("a name of Ray Serve, or of another level, is known: %s", (line, hint) => {
  expect(problemsOf(`name: a\n${line}`)).toEqual([expect.stringContaining(`no such field; ${hint}`)]);
});

test("one document, several documents, a list and JSON with tabs hold the same specs", () => {
  const names = (text: string) => {
    const { specs, problems } = parseSpecs("app", text);
    expect(problems).toEqual([]);
    return specs.map(({ spec }) => spec.name);
  };
  expect(names("name: a\n---\nname: b\n---\n")).toEqual(["a", "b"]);
  expect(names("- name: a\n- name: b\n")).toEqual(["a", "b"]);
  expect(names('[\n\t{"name": "a"},\n\t{\n\t\t"name": "b", "numReplicas": 2}\n]\n')).toEqual(["a", "b"]);
});

test("camelCase names and JSON null are proto JSON and accepted", () => {
  const { specs, problems } = parseSpecs("app.json", '{"name": "a", "maxOngoingRequests": 7, "numReplicas": null, "userConfig": null}');
  expect(problems).toEqual([]);
  expect(specs[0]?.spec).toMatchObject({ maxOngoingRequests: 7, userConfig: { kind: { case: "nullValue" } } });
  expect(specs[0]?.spec.numReplicas).toBeUndefined();
});

test("an unknown field is named with its file, line and path, and the field that was probably meant", () => {
  expect(problemsOf("name: a\nprogram:\n  module:\n    path: x\nnum_replica: 2\n")).toEqual([
    "app.yaml:5: spec.num_replica: no such field; did you mean num_replicas?",
  ]);
  expect(problemsOf("name: a\nmaxOngoingRequest: 2")[0]).toContain("did you mean max_ongoing_requests?");
  expect(problemsOf("name: a\nresources:\n  cats: 2")).toEqual([
    "app.yaml:3: spec.resources.cats: no such field; there are num_cpus, num_gpus, memory_bytes, custom",
  ]);
});

test("all wrong types are reported at once, each with its line", () => {
  const text = [
    "name: [a]",
    "version: 1.0",
    "num_replicas: two",
    "max_ongoing_requests: 1.5",
    "max_queued_requests: 99999999999",
    "startup_timeout: 20",
    "resources:",
    "  num_cpus: .nan",
    "  num_gpus: '1'",
    "runtime_env:",
    "  env_vars:",
    "    PORT: 80",
    "  working_dir: {}",
    "init_args: 7",
    "program:",
    "  command:",
    "    argv: [python3, 1]",
    "labels: []",
  ].join("\n");
  expect(problemsOf(text)).toEqual([
    "app.yaml:1: spec.name: must be text, not a list",
    "app.yaml:2: spec.version: must be text: put 1.0 in quotes",
    'app.yaml:3: spec.num_replicas: must be a whole number, not "two"',
    'app.yaml:4: spec.max_ongoing_requests: must be a whole number, not "1.5"',
    'app.yaml:5: spec.max_queued_requests: must be a whole number, not "99999999999"',
    'app.yaml:6: spec.startup_timeout: must be a time with its unit, for example 20s, 500ms or 2m, not "20"',
    'app.yaml:8: spec.resources.num_cpus: must be a finite number, not ".nan"',
    'app.yaml:9: spec.resources.num_gpus: must be a finite number, not "1"',
    'app.yaml:12: spec.runtime_env.env_vars["PORT"]: must be text: put 80 in quotes',
    "app.yaml:13: spec.runtime_env.working_dir: must be text, not a mapping",
    'app.yaml:14: spec.init_args: must be a JSON object, not "7"',
    "app.yaml:17: spec.program.command.argv[1]: must be text: put 1 in quotes",
    "app.yaml:18: spec.labels: must be names with values, not a list",
  ]);
});

test("an enum is read by its short name in any case, or by its full one; a wrong value is refused with the list of values", () => {
  const strategyOf = (text: string) => {
    const { specs, problems } = parseSpecs("app.yaml", `name: a\nrollout: { strategy: ${text}, auto_rollback: false }`);
    return problems[0] ?? specs[0]?.spec.rollout;
  };
  for (const text of ["AVAILABILITY", "availability", "ROLLOUT_STRATEGY_AVAILABILITY"])
    expect(strategyOf(text), text).toMatchObject({ strategy: RolloutStrategy.AVAILABILITY, autoRollback: false });
  for (const [text, shown] of [
    ["fast", '"fast"'],
    ["2", '"2"'],
    ["[AUTO]", "a list"],
  ])
    expect(strategyOf(text ?? ""), text).toBe(`app.yaml:2: spec.rollout.strategy: must be AUTO or AVAILABILITY, not ${shown}`);
  expect(problemsOf("name: a\nrollout: { auto_rollback: maybe, min_ready_time: 5 }")).toEqual([
    'app.yaml:2: spec.rollout.auto_rollback: must be true or false, not "maybe"',
    'app.yaml:2: spec.rollout.min_ready_time: must be a time with its unit, for example 20s, 500ms or 2m, not "5"',
  ]);
});

test("both of a oneof, a field twice under two spellings, and a document that is no mapping are refused", () => {
  expect(problemsOf("program: { module: { path: a }, command: { argv: [a] } }")).toEqual([
    "app.yaml:1: spec.program.command: excludes module: give one of them",
  ]);
  expect(problemsOf("num_replicas: 1\nnumReplicas: 2")).toEqual(["app.yaml:2: spec.num_replicas: is set twice"]);
  expect(problemsOf("just text")).toEqual(['app.yaml:1: spec: must be fields with values, not "just text"']);
});

test("what is not YAML is reported with its line", () => {
  expect(problemsOf("name: a\nname: b\n")).toEqual(["app.yaml:2: Map keys must be unique"]);
  expect(problemsOf("name: a\n  b: c\n")[0]).toMatch(/^app\.yaml:\d: /);
});

test("an empty file holds no deployment", () => {
  for (const text of ["", "# nothing\n", "---\n---\n", "[]"]) expect(problemsOf(text), text).toEqual(["app.yaml: holds no deployment"]);
});

test("aliases are followed, and a bomb made of them ends in a problem", () => {
  expect(parseSpecs("a", "name: &n a\nversion: *n").specs[0]?.spec.version).toBe("a");
  const bomb = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"];
  for (let i = 1; i < 9; i++)
    bomb.push(
      `a${i}: &a${i} [${Array(10)
        .fill(`*a${i - 1}`)
        .join(", ")}]`,
    );
  const problems = problemsOf(`name: a\nuser_config:\n${bomb.map((line) => `  ${line}`).join("\n")}`);
  expect(problems).toHaveLength(1);
  expect(problems[0]).toContain("more than 100,000 values");
  expect(problemsOf("name: a\nuser_config: &loop [*loop]")).toEqual([expect.stringContaining("more than 64 levels")]);
});

test("a field called __proto__ is a name like any other", () => {
  const { specs } = parseSpecs("a", 'name: a\nlabels: { __proto__: "x" }');
  expect(Object.getPrototypeOf(specs[0]?.spec.labels)).not.toBe("x");
});

test("the line of a field, or of the nearest one around it, is known", () => {
  const spec = parseSpecs("a", full).specs[0];
  expect(spec?.lineOf('spec.runtime_env.env_vars["PORT"]')).toBe(7);
  expect(spec?.lineOf("spec.resources.num_gpus")).toBe(9);
  expect(spec?.lineOf("spec.program.module.path")).toBe(4);
  expect(spec?.lineOf("spec.startup_timeout")).toBe(2);
});

test("relative paths start at the file's folder", async () => {
  const { cwd, loaded } = await read(
    {
      "a.yaml": "name: a\nprogram: { module: { path: ./app.ts } }",
      "b.yaml": "name: b\nprogram: { command: { argv: [./server] } }",
      "c.yaml": "name: c\nprogram: { module: { path: app.ts } }\nruntime_env: { working_dir: sub }",
      "d.yaml": "name: d\nprogram: { module: { path: /opt/app.ts } }\nruntime_env: { working_dir: /srv }",
    },
    "a.yaml",
    "b.yaml",
    "c.yaml",
    "d.yaml",
  );
  const paths = loaded.map(({ spec: { program, runtimeEnv } }) => [
    program?.kind.case === "module" ? program.kind.value.path : "",
    runtimeEnv?.workingDir ?? "",
  ]);
  expect(paths).toEqual([
    [`${cwd}/app.ts`, ""],
    ["", cwd],
    [`${cwd}/sub/app.ts`, `${cwd}/sub`],
    ["/opt/app.ts", "/srv"],
  ]);
});

test("the problems of all files come together", async () => {
  const failed = read({ "a.yaml": "nam: a", "b.yaml": "name: b\nversion: 2" }, "a.yaml", "b.yaml");
  await expect(failed).rejects.toBeInstanceOf(CliError);
  await expect(failed).rejects.toMatchObject({
    lines: ["a.yaml:1: spec.nam: no such field; did you mean name?", "b.yaml:2: spec.version: must be text: put 2 in quotes"],
  });
});

test("one name twice is refused, with both places", async () => {
  await expect(read({ "a.yaml": "name: x", "b.yaml": "\nname: x" }, "a.yaml", "b.yaml")).rejects.toMatchObject({
    lines: ['b.yaml:2: spec.name: "x" is also deployed at a.yaml:1'],
  });
});

test("a file that is not there is said to be so", async () => {
  await expect(read({}, "none.yaml")).rejects.toMatchObject({ lines: ["cannot read none.yaml: there is no such file"] });
  await expect(read({}, ".")).rejects.toMatchObject({ lines: ["cannot read .: it is a folder"] });
});
