import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { type Value, ValueSchema } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import {
  ArgumentsSchema,
  type InvokeRequest,
  InvokeRequestSchema,
  InvokeResponseSchema,
  type Part,
} from "../../gen/drover/v1/invoke_service_pb.ts";
import type { StatusError } from "../../src/core/errors.ts";
import { jsonLevelsMax } from "../../src/core/json.ts";
import { Media } from "../../src/rpc/media.ts";
import { Tensor } from "../../src/rpc/tensor.ts";
import { decodeArguments, decodeResult, encodeArguments, encodeResult } from "../../src/rpc/values.ts";

function returned(result: unknown): unknown {
  const response = create(InvokeResponseSchema, encodeResult(result));
  return decodeResult(fromBinary(InvokeResponseSchema, new Uint8Array(toBinary(InvokeResponseSchema, response))));
}

function given(positional: readonly unknown[], named: Record<string, unknown> = {}) {
  const request = create(InvokeRequestSchema, encodeArguments({ positional, named }));
  return decodeArguments(fromBinary(InvokeRequestSchema, new Uint8Array(toBinary(InvokeRequestSchema, request))));
}

test("binary values keep their class, their place and their shape", () => {
  const value = {
    bytes: new Uint8Array([1, 2]),
    "a/~b": [{ floats: new Float32Array([0.5, Number.NaN]) }, new BigInt64Array([2n ** 60n])],
    image: new Tensor(new Uint8Array(6), [1, 2, 3]),
    flat: new Tensor(new Uint8Array(2)),
    scalar: new Tensor(new Float64Array([1]), []),
    flags: new Tensor(new Uint8Array([1, 0]), [2], "bool"),
    complex: new Tensor(new Float32Array([1, 2]), [1], "complex64"),
    none: new Int16Array(0),
    file: new Media(new Uint8Array([3]), "text/csv"),
  };
  expect(returned(value)).toStrictEqual(value);
  expect(returned(new Float32Array([1]))).toStrictEqual(new Float32Array([1]));
  expect(returned(new Media(new Uint8Array([3]), "text/csv"))).toStrictEqual(value.file);
});

test("arguments go by position and by name, one alone in the form that every replica reads", () => {
  expect(encodeArguments({ positional: [1, undefined], named: { x: undefined } }).input.case).toBe("json");
  expect(encodeArguments({ positional: [new Uint8Array(1)], named: {} }).input.case).toBe("bytes");
  expect(given([])).toStrictEqual({ positional: [], named: {} });
  expect(given([undefined, "b"], { c: 1 })).toStrictEqual({ positional: [null, "b"], named: { c: 1 } });
  const floats = new Float32Array([1]);
  expect(given([[floats], new Uint8Array(1)], { "a/b": { c: floats } })).toStrictEqual({
    positional: [[floats], new Uint8Array(1)],
    named: { "a/b": { c: floats } },
  });
});

test("bytes are not copied on their way into a message", () => {
  const floats = new Float32Array(8);
  expect(encodeResult({ floats }).parts[0]?.data.buffer).toBe(floats.buffer);
});

test("what cannot be sent is refused by its place", () => {
  expect(() => given([1, { scores: [Number.NaN] }])).toThrow("arguments[1].scores[0] is NaN");
  expect(() => given([], { text: Number.POSITIVE_INFINITY })).toThrow("arguments.text is Infinity");
  expect(() => new Tensor(new Float32Array(5), [2, 3])).toThrow(RangeError);
});

test("a request with a number that JSON does not have, or too many levels, is refused by its place", () => {
  const infinite: Value = create(ValueSchema, { kind: { case: "numberValue", value: Number.NEGATIVE_INFINITY } });
  const within = create(ValueSchema, {
    kind: { case: "structValue", value: { fields: { a: { kind: { case: "listValue", value: { values: [infinite] } } } } } },
  });
  const fieldOf = (input: InvokeRequest["input"]) => {
    try {
      decodeArguments({ input, parts: [] });
      return undefined;
    } catch (error) {
      return (error as StatusError).facts.violations?.[0]?.field;
    }
  };
  expect(fieldOf({ case: "json", value: within })).toBe("json.a[0]");
  const nested = (levels: number): Value =>
    levels === 0 ? create(ValueSchema) : create(ValueSchema, { kind: { case: "listValue", value: { values: [nested(levels - 1)] } } });
  expect(fieldOf({ case: "json", value: nested(jsonLevelsMax) })).toBeUndefined();
  expect(fieldOf({ case: "json", value: nested(jsonLevelsMax + 1) })).toBe(`json${"[0]".repeat(jsonLevelsMax)}`);
  const all = (fields: MessageInitShape<typeof ArgumentsSchema>) => fieldOf({ case: "arguments", value: create(ArgumentsSchema, fields) });
  expect(all({ positional: [infinite] })).toBe("arguments.positional[0]");
  expect(all({ named: { scores: within } })).toBe("scores.a[0]");
});

const part = (fields: Partial<Part>): Part => ({
  ...{ $typeName: "drover.v1.Part", path: "/a", elementType: "", shape: [], mediaType: "", data: new Uint8Array(4) },
  ...fields,
});

test.each<[string, Part[]]>([
  ["parts[0].path", [part({ path: "/b" })]],
  ["parts[0].path", [part({ path: "" })]],
  ["parts[0].path", [part({ path: "/list/length" })]],
  ["parts[0].path", [part({ path: "/__proto__/a" })]],
  ["parts[1].path", [part({}), part({})]],
  ["parts[1].path", [part({}), part({ path: "/a/buffer" })]],
  ["parts[0].element_type", [part({ elementType: "float8" })]],
  ["parts[0].element_type", [part({ elementType: "constructor" })]],
  ["parts[0].shape", [part({ elementType: "float32", shape: [2n] })]],
  ["parts[0].shape", [part({ elementType: "float32", shape: [-1n, -1n] })]],
  ["parts[0].shape", [part({ elementType: "uint8", shape: Array(33).fill(1n) })]],
  ["parts[0].shape", [part({ elementType: "float32", shape: [0n, 2n ** 32n, 2n ** 32n], data: new Uint8Array(0) })]],
  ["parts[0].shape", [part({ shape: [4n] })]],
  ["parts[0].media_type", [part({ mediaType: "picture" })]],
  ["parts[0].media_type", [part({ elementType: "float32", mediaType: "image/png" })]],
  ["parts", Array(10_001).fill(part({}))],
])("a part that does not fit is refused: %s", (field, parts) => {
  const { input } = encodeArguments({ positional: [{ a: null, list: [null] }], named: {} });
  expect(() => decodeArguments({ input, parts })).toThrow(
    expect.objectContaining({
      reason: "INVALID_FIELD",
      facts: expect.objectContaining({ violations: [{ field, description: expect.any(String) }] }),
    }),
  );
  const { output } = encodeResult({ a: null, list: [null] });
  expect(() => decodeResult({ output, parts })).toThrow(expect.objectContaining({ reason: "PROTOCOL_VIOLATION" }));
});
