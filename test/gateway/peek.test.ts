import { randomBytes } from "node:crypto";
import { deflateSync, gzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { describe, expect, test } from "vitest";
import { InvokeRequestSchema, InvokeServerStreamRequestSchema } from "../../gen/drover/v1/invoke_service_pb.ts";
import type { StatusError } from "../../src/core/errors.ts";
import { Peek, peekBytesMax } from "../../src/gateway/grpc/peek.ts";
import { frame } from "./harness.ts";

function peek(chunks: readonly Uint8Array[], encoding?: string): Promise<string | StatusError> {
  return new Promise((resolve) => {
    const reader = new Peek(encoding, resolve);
    for (const chunk of chunks) reader.push(chunk);
    reader.ended();
  });
}

const request = (deployment: string, bytes = new Uint8Array()) =>
  toBinary(InvokeRequestSchema, create(InvokeRequestSchema, { deployment, method: "m", input: { case: "bytes", value: bytes } }));
const bytewise = (all: Uint8Array) => Array.from(all, (byte) => Uint8Array.of(byte));
const pieces = (all: Uint8Array) =>
  Array.from({ length: Math.ceil(all.length / 1_000) }, (_, at) => all.subarray(at * 1_000, (at + 1) * 1_000));

describe("peek", () => {
  test("the deployment is read whole or byte by byte", async () => {
    expect(await peek([frame(request("sentiment"))])).toBe("sentiment");
    expect(await peek(bytewise(frame(request("sentiment"))))).toBe("sentiment");
  });

  test("the name is known before a long message has come", async () => {
    const long = frame(request("early", new Uint8Array(10_000_000)));
    expect(await peek([long.subarray(0, 100)])).toBe("early");
  });

  test("the name is found behind other fields, in any order", async () => {
    const message = new BinaryWriter()
      .tag(2, WireType.LengthDelimited)
      .string("m")
      .tag(99, WireType.Varint)
      .uint32(7)
      .tag(98, WireType.Bit64)
      .fixed64(7)
      .tag(4, WireType.LengthDelimited)
      .bytes(new Uint8Array(100_000))
      .tag(1, WireType.LengthDelimited)
      .string("behind")
      .finish();
    expect(await peek([frame(message)])).toBe("behind");
    expect(await peek(pieces(frame(message)))).toBe("behind");
  });

  test.each([
    ["gzip", gzipSync],
    ["deflate", deflateSync],
  ])("a message compressed by %s is unpacked to read it", async (encoding, pack) => {
    const packed = frame(pack(request("packed", randomBytes(300_000))), true);
    expect(await peek([packed], encoding)).toBe("packed");
    expect(await peek(pieces(packed), encoding)).toBe("packed");
    expect(await peek(bytewise(frame(pack(request("small")), true)), encoding)).toBe("small");
    expect(await peek([packed.subarray(0, 5), packed.subarray(5), frame(request("next"))], encoding)).toBe("packed");
  });

  test("a message that packs gigabytes is not unpacked further than the bound", async () => {
    const bomb = new BinaryWriter()
      .tag(4, WireType.LengthDelimited)
      .bytes(new Uint8Array(peekBytesMax * 8))
      .finish();
    expect(await peek([frame(gzipSync(bomb), true)], "gzip")).toMatchObject({ reason: "MESSAGE_TOO_LARGE" });
  });

  test("a name that does not come within the bound is not waited for", async () => {
    const late = new BinaryWriter()
      .tag(4, WireType.LengthDelimited)
      .bytes(new Uint8Array(peekBytesMax + 10_000))
      .tag(1, 2)
      .string("late")
      .finish();
    expect(await peek(pieces(frame(late)))).toMatchObject({ reason: "MESSAGE_TOO_LARGE" });
  });

  test.each([
    ["an empty message", [frame("")]],
    ["an empty name", [frame(request(""))]],
    ["no message at all", []],
    ["bytes that are no message", [frame(Buffer.alloc(50, 0xff))]],
    ["a name cut short by the message's end", [frame(Buffer.from([0x0a, 0x20, 0x61]))]],
  ])("%s names no deployment", async (_, chunks) => {
    const result = (await peek(chunks)) as StatusError;
    expect(result).toMatchObject({ code: "INVALID_ARGUMENT", reason: "INVALID_FIELD" });
    expect(result.facts.violations?.map(({ field }) => field)).toEqual(["deployment"]);
  });

  test("an unknown encoding, and an encoding that does not match the bytes, are refused", async () => {
    expect(await peek([frame("x", true)], "snappy")).toMatchObject({ code: "UNIMPLEMENTED", reason: "ENCODING_NOT_SUPPORTED" });
    expect(await peek([frame("x", true)])).toMatchObject({ code: "INTERNAL", reason: "PROTOCOL_VIOLATION" });
    expect(await peek([frame("x", true)], "identity")).toMatchObject({ code: "INTERNAL", reason: "PROTOCOL_VIOLATION" });
    expect(await peek([frame("not gzip", true)], "gzip")).toMatchObject({ code: "INTERNAL", reason: "PROTOCOL_VIOLATION" });
  });
});

// The gateway reads the deployment off both requests by the same number.
test("both requests have their fields in common", () => {
  const fieldsOf = ({ fields }: typeof InvokeRequestSchema | typeof InvokeServerStreamRequestSchema) =>
    fields.map(({ proto }) => [proto.name, proto.number, proto.type, proto.typeName, proto.label]);
  expect(fieldsOf(InvokeRequestSchema)).toContainEqual(["deployment", 1, expect.anything(), "", expect.anything()]);
  expect(fieldsOf(InvokeServerStreamRequestSchema)).toEqual(fieldsOf(InvokeRequestSchema));
});
