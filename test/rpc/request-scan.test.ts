import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { type Value, ValueSchema } from "@bufbuild/protobuf/wkt";
import { describe, expect, test } from "vitest";
import {
  ApplyRequestSchema,
  DeployRequestSchema,
  ListReplicasRequestSchema,
  SimulateAutoscalingRequestSchema,
} from "../../gen/drover/v1/controller_service_pb.ts";
import type { DeploymentSpecSchema } from "../../gen/drover/v1/deployment_pb.ts";
import { InvokeRequestSchema } from "../../gen/drover/v1/invoke_service_pb.ts";
import { jsonLevelsMax } from "../../src/core/json.ts";
import { apiRequestBounds, invokeRequestBounds } from "../../src/rpc/request-bounds.ts";
import { decoderWithin } from "../../src/rpc/request-decoder.ts";
import { scanRequest } from "../../src/rpc/request-scan.ts";

type Spec = Extract<MessageInitShape<typeof DeploymentSpecSchema>, { $typeName?: never }>;

const bytesOf = (spec: Spec) => toBinary(DeployRequestSchema, create(DeployRequestSchema, { spec }));
const wrongField = async (spec: Spec) => (await scanRequest(DeployRequestSchema, bytesOf(spec), apiRequestBounds)).wrong?.field;
const wrongIn = async (schema: typeof DeployRequestSchema | typeof ApplyRequestSchema, bytes: Uint8Array) =>
  (await scanRequest(schema, bytes, apiRequestBounds)).wrong;
const times = <T>(count: number, of: (index: number) => T): T[] => Array.from({ length: count }, (_, index) => of(index));
const text = (no: number, content: Uint8Array) => new BinaryWriter().tag(no, WireType.LengthDelimited).bytes(content).finish();

function nested(levels: number, innermost: Value = create(ValueSchema, { kind: { case: "boolValue", value: true } })): Value {
  let value = innermost;
  for (let level = 0; level < levels; level++) {
    value = create(ValueSchema, { kind: { case: "structValue", value: { fields: { a: value } } } });
  }
  return value;
}

describe("counts are checked by the rules of the proto, before anything is decoded", () => {
  test.each([
    ["spec.labels", 64, (count: number) => ({ labels: Object.fromEntries(times(count, (index) => [`l${index}`, ""])) })],
    ["spec.runtime_env.npm", 64, (count: number) => ({ runtimeEnv: { npm: times(count, () => "") } })],
    [
      "spec.runtime_env.env_vars",
      256,
      (count: number) => ({ runtimeEnv: { envVars: Object.fromEntries(times(count, (i) => [`V${i}`, ""])) } }),
    ],
    [
      "spec.program.command.argv",
      256,
      (count: number) => ({ program: { kind: { case: "command" as const, value: { argv: times(count, () => "") } } } }),
    ],
    ["spec.autoscaling_config.schedules", 20, (count: number) => ({ autoscalingConfig: { schedules: times(count, () => ({})) } })],
  ])("%s: %i, and not one more", async (field, max, specOf) => {
    expect(await wrongField(specOf(max))).toBeUndefined();
    expect(await wrongField(specOf(max + 1))).toBe(field);
  });

  test("specs of an Apply, also where each is empty", async () => {
    const specs = (count: number) => Buffer.concat(times(count, () => text(1, new Uint8Array())));
    expect(await wrongIn(ApplyRequestSchema, specs(500))).toBeUndefined();
    expect((await wrongIn(ApplyRequestSchema, specs(501)))?.field).toBe("specs");
    const labels = Buffer.concat(times(65, () => text(16, new Uint8Array())));
    expect((await wrongIn(ApplyRequestSchema, Buffer.concat([specs(3), text(1, labels)])))?.field).toBe("specs[3].labels");
  });

  test("all JSON values of a request together", async () => {
    // A list counts as two.
    const half = times(apiRequestBounds.jsonValuesMax / 2 - 2, () => create(ValueSchema, { kind: { case: "nullValue", value: 0 } }));
    const list = (values: Value[]) => create(ValueSchema, { kind: { case: "listValue", value: { values } } });
    const apply = (userConfig: Value) =>
      toBinary(ApplyRequestSchema, create(ApplyRequestSchema, { specs: [{ userConfig }, { userConfig: list(half) }] }));
    expect(await wrongIn(ApplyRequestSchema, apply(list(half)))).toBeUndefined();
    expect((await wrongIn(ApplyRequestSchema, apply(list([...half, ...half.slice(0, 1)]))))?.field).toMatch(/^specs\[1\].user_config/);
  });

  test("fields in all, fields that are set again, and fields that are not known", async () => {
    const fields = (count: number, no: number) => Buffer.concat(times(count, () => text(no, new Uint8Array())));
    expect((await wrongIn(DeployRequestSchema, text(1, fields(9, 2))))?.field).toBe("spec.version");
    expect(await wrongIn(DeployRequestSchema, fields(20, 999))).toBeUndefined();
    expect(await wrongIn(DeployRequestSchema, fields(21, 999))).toBeDefined();
    expect((await scanRequest(ApplyRequestSchema, fields(10, 1), { fieldsMax: 9, jsonValuesMax: 1, itemsMax: 1_000 })).wrong).toBeDefined();
    expect(
      (await scanRequest(ApplyRequestSchema, fields(9, 1), { fieldsMax: 9, jsonValuesMax: 1, itemsMax: 1_000 })).wrong,
    ).toBeUndefined();
  });
});

test("a request to a program has bounds that no message within 64 MiB can hide from", async () => {
  const wrongRequest = async (bytes: Uint8Array) => (await scanRequest(InvokeRequestSchema, bytes, invokeRequestBounds)).wrong?.field;
  const empty = (no: number, count: number): Uint8Array => Buffer.alloc(2 * count, Buffer.from([(no << 3) | 2, 0]));
  const list = (count: number) => text(3, text(6, empty(1, count)));
  expect(await wrongRequest(empty(6, 10_000))).toBeUndefined();
  expect(await wrongRequest(empty(6, 10_001))).toBe("parts");
  expect(await wrongRequest(text(5, empty(1, 10_001)))).toBe("arguments.positional");
  expect(await wrongRequest(text(6, text(3, Buffer.alloc(10_001))))).toBe("parts[0].shape");
  expect(await wrongRequest(list(invokeRequestBounds.jsonValuesMax - 2))).toBeUndefined();
  expect(await wrongRequest(list(invokeRequestBounds.jsonValuesMax - 1))).toBe("json[1999998]");
});

describe("JSON", () => {
  test(`has ${jsonLevelsMax} levels at most, and the path says where`, async () => {
    const argumentsOf = (levels: number) => Object.fromEntries([["b", JSON.parse(`${'{"a":'.repeat(levels)}1${"}".repeat(levels)}`)]]);
    expect(await wrongField({ userConfig: nested(jsonLevelsMax) })).toBeUndefined();
    expect(await wrongField({ userConfig: nested(jsonLevelsMax + 1) })).toBe(`spec.user_config${".a".repeat(jsonLevelsMax)}`);
    expect(await wrongField({ initArgs: argumentsOf(jsonLevelsMax - 1) })).toBeUndefined();
    expect(await wrongField({ initArgs: argumentsOf(jsonLevelsMax) })).toBe(`spec.init_args.b${".a".repeat(jsonLevelsMax - 1)}`);
  });

  test.each([
    ["with nothing set", create(ValueSchema)],
    ["NaN", create(ValueSchema, { kind: { case: "numberValue", value: Number.NaN } })],
    ["infinite", create(ValueSchema, { kind: { case: "numberValue", value: Number.NEGATIVE_INFINITY } })],
  ])("a value in a Struct that is %s is named by its path", async (_, value) => {
    const member = Buffer.concat([text(1, Buffer.from("b")), text(2, toBinary(ValueSchema, nested(1, value)))]);
    expect((await wrongIn(DeployRequestSchema, text(1, text(4, text(1, member)))))?.field).toBe("spec.init_args.b.a");
  });
});

test.each([
  ["cut off", Buffer.from([0x0a, 0x05, 0x01])],
  ["a length beyond the end", Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f])],
  ["field number 0", Buffer.from([0x00, 0x01])],
  ["a varint without end", Buffer.alloc(16, 0xff)],
  ["another wire type than the field's", Buffer.from([0x08, 0x01])],
  ["an end of a group that never began", Buffer.from([0x0c])],
  ["groups within groups", Buffer.alloc(10_000, 0xfb)],
])("bytes that are no request are refused: %s", async (_, bytes) => {
  expect(await wrongIn(DeployRequestSchema, bytes)).toBeDefined();
  await expect(decoderWithin(apiRequestBounds)(DeployRequestSchema, bytes)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
});

test("a message that is decoded in parts is the message", async () => {
  const samples = times(50_000, (index) => ({ time: { seconds: BigInt(index), nanos: index }, totalRequests: index }));
  const simulate = create(SimulateAutoscalingRequestSchema, {
    autoscalingConfig: { maxReplicas: 3 },
    samples,
    startupDelay: { seconds: 1n },
  });
  const bytes = toBinary(SimulateAutoscalingRequestSchema, simulate);
  expect(await scanRequest(SimulateAutoscalingRequestSchema, bytes, apiRequestBounds)).toMatchObject({
    cuts: { length: expect.any(Number) },
  });
  expect(await decoderWithin(apiRequestBounds)(SimulateAutoscalingRequestSchema, bytes)).toEqual(simulate);
  const list = create(ListReplicasRequestSchema, { deployment: "a".repeat(100_000), pageSize: -1 });
  expect(await decoderWithin(apiRequestBounds)(ListReplicasRequestSchema, toBinary(ListReplicasRequestSchema, list))).toEqual(list);
});
