import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { expect, test } from "vitest";
import { DeployRequestSchema, WatchDeploymentsRequestSchema } from "../../gen/drover/v1/controller_service_pb.ts";
import { DeploymentSpecSchema } from "../../gen/drover/v1/deployment_pb.ts";
import type { FieldViolation } from "../../src/core/errors.ts";
import { violationsOf } from "../../src/rpc/validate.ts";

type Spec = Extract<MessageInitShape<typeof DeploymentSpecSchema>, { $typeName?: never }>;

const program: Spec["program"] = { kind: { case: "command", value: { argv: ["true"] } } };

/** The violations of a request to deploy `spec`, which is right in all else; by field. */
function wrongIn(spec: Spec, root?: string): Record<string, string> {
  return byField(violationsOf(DeployRequestSchema, create(DeployRequestSchema, { spec: { name: "a", program, ...spec } }), root));
}

function byField(violations: readonly FieldViolation[]): Record<string, string> {
  const found: Record<string, string> = {};
  for (const { field, description } of violations) found[field] = field in found ? `${found[field]}; ${description}` : description;
  return found;
}

test("a right request passes", () => {
  expect(wrongIn({})).toEqual({});
  expect(wrongIn({ numReplicas: 0, resources: { numCpus: 0.001, numGpus: 0.5 }, runtimeEnv: { envVars: { A_1: "x" } } })).toEqual({});
  expect(wrongIn({ resources: { numCpus: 10_000, numGpus: 1024 } })).toEqual({});
  expect(wrongIn({ resources: { numGpus: 2 }, userConfig: { kind: { case: "numberValue", value: 1 } } })).toEqual({});
  for (let milli = 0; milli <= 1000; milli++) {
    expect(wrongIn({ resources: { numCpus: milli / 1000, numGpus: milli / 1000 } })).toEqual({});
  }
});

test.each(["", "A", "-a", "a-", "a_b", "1a", "a".repeat(64), "ä", "a b", "a\n"])(
  "the name %j is refused, with the rule for names",
  (name) => {
    const rule = "must be a lower-case letter, then up to 62 lower-case letters, digits and hyphens, the last not a hyphen";
    const shown = name.length > 60 ? `${name.slice(0, 59)}…` : name;
    expect(wrongIn({ name })).toEqual({ "spec.name": name === "" ? rule : `${rule} (got ${JSON.stringify(shown)})` });
  },
);

test.each([
  [{ numCpus: Number.NaN }, "spec.resources.num_cpus", "must be finite (got NaN)"],
  [{ numCpus: Number.POSITIVE_INFINITY }, "spec.resources.num_cpus", "less than or equal to 10000 (got Infinity)"],
  [{ numCpus: -1 }, "spec.resources.num_cpus", "must be greater than or equal to 0 and less than or equal to 10000 (got -1)"],
  [{ numCpus: 0.3333333 }, "spec.resources.num_cpus", "must be a multiple of 0.001 (got 0.3333333)"],
  [{ numCpus: 1e300 }, "spec.resources.num_cpus", "less than or equal to 10000 (got 1e+300)"],
  [{ numGpus: 0.3333333 }, "spec.resources.num_gpus", "must be a multiple of 0.001 below 1, or a whole number (got 0.3333333)"],
  [{ numGpus: 1.5 }, "spec.resources.num_gpus", "must be a multiple of 0.001 below 1, or a whole number (got 1.5)"],
  [{ numGpus: Number.NaN }, "spec.resources.num_gpus", "must be finite (got NaN)"],
  [{ numGpus: Number.NEGATIVE_INFINITY }, "spec.resources.num_gpus", "must be finite (got -Infinity)"],
  [{ numGpus: -0.5 }, "spec.resources.num_gpus", "less than or equal to 1024 (got -0.5)"],
  [{ memoryBytes: -1n }, "spec.resources.memory_bytes", "greater than or equal to 0 and less than or equal to 1125899906842624 (got -1)"],
])("resources %o are refused", (resources, field, text) => {
  const wrong = wrongIn({ resources });
  expect(Object.keys(wrong)).toEqual([field]);
  expect(wrong[field]).toContain(text);
});

test.each([-1, 1e9])("num_replicas %d is refused with the range", (numReplicas) => {
  expect(wrongIn({ numReplicas })).toEqual({
    "spec.num_replicas": `must be greater than or equal to 0 and less than or equal to 10000 (got ${numReplicas})`,
  });
});

test("num_replicas and autoscaling_config exclude each other", () => {
  expect(wrongIn({ numReplicas: 1, autoscalingConfig: {} })).toEqual({
    spec: "set num_replicas or autoscaling_config, not both",
  });
});

test("environment variables of the controller's own, and names that are none, are refused; their values are not shown", () => {
  const wrong = wrongIn({ runtimeEnv: { envVars: { DROVER_TOKEN: "hidden", "a b": "hidden" } } });
  expect(wrong).toEqual({
    "spec.runtime_env.env_vars": "names that begin with DROVER_ are set by the controller (got DROVER_TOKEN, a b)",
    'spec.runtime_env.env_vars["a b"]': "the name must be letters, digits and underscores, the first not a digit",
  });
});

test("what is missing is named, and what would do", () => {
  expect(byField(violationsOf(DeployRequestSchema, create(DeployRequestSchema)))).toEqual({ spec: "value is required" });
  expect(byField(violationsOf(DeployRequestSchema, create(DeployRequestSchema, { spec: { name: "a" } })))).toEqual({
    "spec.program": "value is required",
  });
  expect(wrongIn({ program: {} })).toEqual({ "spec.program.kind": "exactly one field is required in oneof: module, command" });
  expect(wrongIn({ program: { kind: { case: "command", value: {} } } })).toEqual({
    "spec.program.command.argv": "must contain at least 1 item(s)",
  });
});

test("durations are shown in seconds, lists by their length, items by their index", () => {
  expect(wrongIn({ startupTimeout: { seconds: 7200n }, healthCheck: { period: { nanos: 5_000_000 } } })).toEqual({
    "spec.startup_timeout": "must be greater than or equal to 1s and less than or equal to 3600s (got 7200s)",
    "spec.health_check.period": "must be greater than or equal to 0.100s and less than or equal to 3600s (got 0.005s)",
  });
  const argv = Array.from({ length: 300 }, () => "x");
  expect(wrongIn({ program: { kind: { case: "command", value: { argv } } } })["spec.program.command.argv"]).toContain("(got 300 items)");
  argv.splice(2, 300, "y".repeat(70_000));
  const [field, text] = Object.entries(wrongIn({ program: { kind: { case: "command", value: { argv } } } }))[0] ?? [];
  expect(field).toBe("spec.program.command.argv[2]");
  expect(text?.length).toBeLessThan(150);
});

test("all violations are in one error, also next to violations that broke a formula before", () => {
  const wrong = wrongIn({
    name: "A",
    numReplicas: -1,
    autoscalingConfig: {},
    resources: { numCpus: Number.NaN, numGpus: 1e300 },
    program: {},
  });
  expect(Object.keys(wrong).sort()).toEqual(
    ["spec", "spec.name", "spec.num_replicas", "spec.program.kind", "spec.resources.num_cpus", "spec.resources.num_gpus"].sort(),
  );
});

test("paths begin with the root given", () => {
  const spec = create(DeploymentSpecSchema, { name: "A", program, numReplicas: 1, autoscalingConfig: {} });
  expect(Object.keys(byField(violationsOf(DeploymentSpecSchema, spec, "specs[3]")))).toEqual(["specs[3].name", "specs[3]"]);
  expect(Object.keys(byField(violationsOf(DeploymentSpecSchema, spec)))).toEqual(["name", "DeploymentSpec"]);
});

test("a field that is not known is refused, however deep", () => {
  const unknown = (no: number) => new BinaryWriter().tag(no, WireType.Varint).uint32(1).finish();
  const spec = create(DeploymentSpecSchema, { name: "a", program, resources: { numCpus: 1 } });
  const withUnknown = (outer: number, inner: Uint8Array) =>
    fromBinary(DeployRequestSchema, new BinaryWriter().tag(outer, WireType.LengthDelimited).bytes(inner).finish());
  const request = withUnknown(1, Buffer.concat([toBinary(DeploymentSpecSchema, spec), unknown(999)]));
  expect(byField(violationsOf(DeployRequestSchema, request))).toEqual({
    "spec.999": "field number 999 is not known to this server: the client is newer, or the number is wrong",
  });
  const deep = new BinaryWriter().tag(8, WireType.LengthDelimited).bytes(unknown(77)).finish(); // resources
  const both = withUnknown(1, Buffer.concat([toBinary(DeploymentSpecSchema, { ...spec, name: "A" }), deep]));
  expect(Object.keys(byField(violationsOf(DeployRequestSchema, both)))).toEqual(["spec.resources.77", "spec.name"]);
  const top = fromBinary(WatchDeploymentsRequestSchema, unknown(50));
  expect(Object.keys(byField(violationsOf(WatchDeploymentsRequestSchema, top)))).toEqual(["50"]);
});
