import type { MessageInitShape } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { DeploymentSpecSchema } from "../../gen/drover/v1/deployment_pb.ts";
import { StatusError } from "../../src/core/errors.ts";
import { startBytesMax, startTextBytesMax } from "../../src/core/start-bounds.ts";
import { jsonToValue } from "../../src/rpc/json-value.ts";
import { type OpenedApi, openApi, specOf } from "./opened-api.ts";

type Spec = Extract<MessageInitShape<typeof DeploymentSpecSchema>, { $typeName?: never }>;

let opened: OpenedApi;

beforeAll(async () => {
  opened = await openApi();
});
afterAll(() => opened.close());

/** The fields that a Deploy of the spec is refused for; none: it is accepted. */
async function refusedFor(spec: Spec): Promise<readonly string[]> {
  try {
    await opened.controller.deploy({ spec: { ...specOf("accepted"), ...spec }, validateOnly: true });
    return [];
  } catch (error) {
    if (!(error instanceof StatusError) || error.reason !== "INVALID_FIELD") throw error;
    return (error.facts.violations ?? []).map(({ field }) => field);
  }
}

const nested = (levels: number): unknown => JSON.parse(`${'{"a":'.repeat(levels)}1${"}".repeat(levels)}`);
const command = (...argv: string[]): Spec => ({ program: { kind: { case: "command", value: { argv } } } });

describe("what every client can read, and every process can be given, is accepted, and nothing else", () => {
  test("JSON of 32 levels", async () => {
    expect(await refusedFor({ userConfig: jsonToValue(nested(32)), initArgs: nested(32) as never })).toEqual([]);
    const deeper = await refusedFor({ initArgs: nested(33) as never });
    expect(deeper).toHaveLength(1);
    expect(deeper[0]).toMatch(/^spec\.init_args/);
    await expect(
      opened.controller.reconfigure({ name: "accepted", userConfig: { kind: { case: "listValue", value: deepList(33) } } }),
    ).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  test("init_args that fit into one string of a process's environment", async () => {
    const initArgs = (bytes: number) => ({ a: "x".repeat(bytes - '{"a":""}'.length) });
    expect(await refusedFor({ initArgs: initArgs(startTextBytesMax) })).toEqual([]);
    expect(await refusedFor({ initArgs: initArgs(startTextBytesMax + 1) })).toEqual(["spec.init_args"]);
    expect(await refusedFor({ initArgs: { a: "ä".repeat(startTextBytesMax / 2) } })).toEqual(["spec.init_args"]);
  });

  test("arguments and variables that fit, one by one and together", async () => {
    expect(await refusedFor(command("ä".repeat(startTextBytesMax / 2)))).toEqual([]);
    expect(await refusedFor(command("a", "{listen}".repeat(2_000)))).toEqual(["spec.program.command.argv[1]"]);
    expect(await refusedFor({ runtimeEnv: { envVars: { A: "x".repeat(startTextBytesMax) } } })).toEqual(['spec.runtime_env.env_vars["A"]']);
    const all = Object.fromEntries(["A", "B", "C", "D", "E"].map((name) => [name, "x".repeat(startBytesMax / 5)]));
    expect(await refusedFor({ runtimeEnv: { envVars: all } })).toEqual(["spec"]);
    expect(await refusedFor({ runtimeEnv: { envVars: { ...all, E: "x" } } })).toEqual([]);
  });

  test("texts without NUL", async () => {
    const program = { kind: { case: "module", value: { path: "/a\0", exportName: "a\0b" } } } as const;
    const envVars = { A: "a\0" };
    expect((await refusedFor({ program, runtimeEnv: { workingDir: "/\0", envVars } })).toSorted()).toEqual([
      "spec.program.module.export_name",
      "spec.program.module.path",
      'spec.runtime_env.env_vars["A"]',
      "spec.runtime_env.working_dir",
    ]);
  });
});

describe("packages", () => {
  test.each(["JSONStream@^1.3.5", "zod", "@Scope/Name@1.x || >=2"])("npm %s is accepted", async (requirement) => {
    expect(await refusedFor({ runtimeEnv: { npm: [requirement] } })).toEqual([]);
  });

  test.each([
    "numpy",
    "numpy >= 1.0",
    "numpy>=2 , < 3",
    "numpy == 2.*",
    "torch==2.4.0+cu121",
    "name[one, two] ~= 1.4.2",
    "Django>=5.0a1,!=5.0.3",
    "a===any.thing",
    "pkg<=1!2.0.post1.dev3",
  ])("pip %s is accepted", async (requirement) => {
    expect(await refusedFor({ runtimeEnv: { pip: [requirement] } })).toEqual([]);
  });

  test.each(["numpy>=two", "numpy>=", "numpy>=2.*", "numpy=>2", "numpy>=1 2", "numpy>=1; python_version<'3'", "-r file", "./here"])(
    "pip %s is refused",
    async (requirement) => {
      expect(await refusedFor({ runtimeEnv: { pip: [requirement] } })).toContain("spec.runtime_env.pip[0]");
    },
  );
});

test("a config of 1 MiB is accepted, written and read back", async () => {
  const config = { texts: Array.from({ length: 25_000 }, (_, index) => `${index}`.padEnd(36, "x")) };
  await opened.controller.deploy({ spec: { ...specOf("large"), userConfig: jsonToValue(config) }, requestId: "large" });
  const { deployment } = await opened.controller.getDeployment({ name: "large" });
  expect(deployment?.spec?.userConfig).toEqual(jsonToValue(config));
});

test("a value with nothing set, or that is no JSON, is named by its path in the config", async () => {
  const userConfig = jsonToValue({ a: [1, { b: 2 }] });
  const list = userConfig.kind.case === "structValue" ? userConfig.kind.value.fields.a?.kind : undefined;
  const inner = list?.case === "listValue" ? list.value.values[1]?.kind : undefined;
  if (inner?.case !== "structValue" || inner.value.fields.b === undefined) throw new Error("not as it was made");
  inner.value.fields.b.kind = { case: undefined };
  expect(await refusedFor({ userConfig })).toEqual(["spec.user_config.a[1].b"]);
  inner.value.fields.b.kind = { case: "numberValue", value: Number.NaN };
  expect(await refusedFor({ userConfig })).toEqual(["spec.user_config.a[1].b"]);
});

test("a malformed time is refused with and without a request_id", async () => {
  const spec = { ...specOf("timed"), requestTimeout: { seconds: 1n, nanos: 1_000_000_000 } };
  for (const requestId of ["", "r"]) {
    const refused = opened.controller.deploy({ spec, requestId });
    await expect(refused).rejects.toMatchObject({ code: "INVALID_ARGUMENT", facts: { violations: [{ field: "spec.request_timeout" }] } });
  }
});

function deepList(levels: number) {
  const value = jsonToValue([JSON.parse(`${"[".repeat(30)}${"]".repeat(30)}`)]);
  if (value.kind.case !== "listValue") throw new Error("not a list");
  let list = value.kind.value;
  for (let level = 31; level < levels; level++) {
    list = {
      $typeName: "google.protobuf.ListValue",
      values: [{ $typeName: "google.protobuf.Value", kind: { case: "listValue", value: list } }],
    };
  }
  return list;
}
