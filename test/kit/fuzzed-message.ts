import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { SeededRandom } from "../sim/seeded-random.ts";

/** Levels of messages within messages, besides what is nested on purpose. */
const levelsMax = 6;
/** Larger fields are not repeated. */
const copiedBytesMax = 500;
/** Levels of a value that is nested on purpose. */
const deepLevels = [20, 33, 34, 99, 101, 1_000];

/** Bytes that are a message of the schema, nearly are, or are not: extremes of every kind. */
export function fuzzedMessage(schema: DescMessage, random: SeededRandom, names: readonly string[]): Buffer {
  const bytes = message(schema, random, names, 0);
  if (random.chance(0.05)) return bytes.subarray(0, random.whole(0, bytes.length));
  if (random.chance(0.03)) return Buffer.from(Array.from({ length: random.whole(0, 200) }, () => random.whole(0, 255)));
  if (random.chance(0.05) && bytes.length > 0) bytes[random.whole(0, bytes.length - 1)] = random.whole(0, 255);
  return bytes;
}

function message(schema: DescMessage, random: SeededRandom, names: readonly string[], level: number): Buffer {
  const parts: Uint8Array[] = [];
  if (level > levelsMax) return Buffer.alloc(0);
  const share = random.pick([0.03, 0.1, 0.3, 0.9]);
  for (const field of schema.fields) {
    if (!random.chance(share)) continue;
    const isRepeated = field.fieldKind === "list" || field.fieldKind === "map";
    const one = fieldBytes(field, random, names, level);
    parts.push(one);
    if (isRepeated && random.chance(0.4)) parts.push(fieldBytes(field, random, names, level));
    const times = isRepeated ? random.pick([0, 0, 0, 70, 600]) : random.pick([0, 0, 0, 0, 1, 9]);
    if (one.length <= copiedBytesMax) for (let count = 0; count < times; count++) parts.push(one);
  }
  if (random.chance(0.05)) parts.push(unknownField(random));
  if (schema.typeName === "google.protobuf.Value" && random.chance(0.02)) parts.push(deepValue(random));
  return Buffer.concat(parts);
}

function fieldBytes(field: DescField, random: SeededRandom, names: readonly string[], level: number): Uint8Array {
  if (random.chance(0.02)) return wrongType(field.number, random);
  if (field.fieldKind === "map") {
    const value = field.message
      ? lengthDelimited(2, message(field.message, random, names, level + 1))
      : scalar(2, field.scalar, random, names);
    const key = scalar(1, field.mapKey, random, names);
    return lengthDelimited(field.number, Buffer.concat(random.chance(0.05) ? [value] : [key, value]));
  }
  if (field.message !== undefined) return lengthDelimited(field.number, message(field.message, random, names, level + 1));
  return scalar(field.number, field.enum ? ScalarType.INT32 : field.scalar, random, names);
}

const text = [
  "",
  "a",
  "A",
  "default",
  "__proto__",
  "constructor",
  "toString",
  "\0",
  "a\nb",
  "ä😀",
  "\u202e",
  "-1",
  "x".repeat(70),
  "x".repeat(5_000),
  "../..",
  "🂡".repeat(300),
];
const wholes = [0, 1, 2, -1, 5, 10_000, 10_001, 2 ** 31 - 1, -(2 ** 31)];
const longs = [0n, 1n, -1n, 999_999_999n, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n), 315_576_000_001n];
const doubles = [0, -0, 1, 0.5, 0.0001, -1, 1e308, 5e-324, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];

function scalar(no: number, type: ScalarType | undefined, random: SeededRandom, names: readonly string[]): Uint8Array {
  const writer = new BinaryWriter();
  switch (type) {
    case ScalarType.STRING:
      if (random.chance(0.03)) return lengthDelimited(no, Buffer.from([0xed, 0xa0, 0x80]));
      return lengthDelimited(no, Buffer.from(random.pick(random.chance(0.5) ? names : text)));
    case ScalarType.BYTES:
      return lengthDelimited(no, Buffer.alloc(random.pick([0, 1, 1_000]), 0xff));
    case ScalarType.BOOL:
      return writer.tag(no, WireType.Varint).bool(random.chance(0.5)).finish();
    case ScalarType.DOUBLE:
      return writer.tag(no, WireType.Bit64).double(random.pick(doubles)).finish();
    case ScalarType.INT64:
    case ScalarType.UINT64:
      return writer.tag(no, WireType.Varint).int64(random.pick(longs)).finish();
    default:
      return writer.tag(no, WireType.Varint).int32(random.pick(wholes)).finish();
  }
}

function wrongType(no: number, random: SeededRandom): Uint8Array {
  const type = random.pick([0, 1, 2, 3, 4, 5, 6, 7]);
  return Buffer.concat([varint((no << 3) | type), Buffer.from(Array.from({ length: random.whole(0, 9) }, () => random.whole(0, 255)))]);
}

function unknownField(random: SeededRandom): Uint8Array {
  const field = lengthDelimited(random.pick([99, 19_000, 536_870_911]), Buffer.from("unknown"));
  return Buffer.concat(Array.from({ length: random.pick([1, 30, 3_000]) }, () => field));
}

function deepValue(random: SeededRandom): Uint8Array {
  let value: Uint8Array = new BinaryWriter().tag(4, WireType.Varint).bool(true).finish();
  const isList = random.chance(0.5);
  for (let level = random.pick(deepLevels); level > 0; level--) {
    const entry = Buffer.concat([lengthDelimited(1, Buffer.from("a")), lengthDelimited(2, value)]);
    value = isList ? lengthDelimited(6, lengthDelimited(1, value)) : lengthDelimited(5, lengthDelimited(1, entry));
  }
  return value;
}

export function lengthDelimited(no: number, content: Uint8Array): Uint8Array {
  return new BinaryWriter().tag(no, WireType.LengthDelimited).bytes(content).finish();
}

function varint(value: number): Uint8Array {
  return new BinaryWriter().uint32(value >>> 0).finish();
}
