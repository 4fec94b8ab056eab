import { type DescField, type DescMessage, getOption, hasOption, ScalarType } from "@bufbuild/protobuf";
import { field as fieldRules } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { settingsMax } from "./request-bounds.ts";

/** The wire types of protobuf, without groups, which proto3 does not have. */
export const wireTypes = { varint: 0, bits64: 1, bytes: 2, group: 3, endOfGroup: 4, bits32: 5 } as const;

/** How a field is scanned. */
export interface FieldPlan {
  readonly name: string;
  /** The place of its counter among those of the message. */
  readonly index: number;
  readonly wireType: number;
  readonly isList: boolean;
  readonly isMap: boolean;
  /**
   * The most items of a list, entries of a map, or settings of another field. Undefined: its proto
   * has no rule.
   */
  readonly countMax: number | undefined;
  /** A list of numbers may come packed into bytes. */
  readonly packedType: number | undefined;
  /** What is in its bytes; undefined: they are not scanned. */
  readonly inner: MessagePlan | JsonKind | undefined;
}

export type JsonKind = "value" | "struct" | "list";

/** How a message is scanned: its fields by number. */
export interface MessagePlan {
  readonly typeName: string;
  readonly fields: ReadonlyMap<number, FieldPlan>;
}

const jsonKinds: Readonly<Record<string, JsonKind>> = {
  "google.protobuf.Value": "value",
  "google.protobuf.Struct": "struct",
  "google.protobuf.ListValue": "list",
};

const plans = new WeakMap<DescMessage, MessagePlan>();

export function planOf(schema: DescMessage): MessagePlan {
  const known = plans.get(schema);
  if (known !== undefined) return known;
  const fields = new Map<number, FieldPlan>();
  const plan = { typeName: schema.typeName, fields };
  plans.set(schema, plan); // before its fields, which may hold the same message
  for (const [index, field] of schema.fields.entries()) fields.set(field.number, fieldPlan(field, index));
  return plan;
}

function fieldPlan(field: DescField, index: number): FieldPlan {
  const isMap = field.fieldKind === "map";
  const isList = field.fieldKind === "list";
  const scalar = field.fieldKind === "list" || field.fieldKind === "scalar" ? field.scalar : undefined;
  const isNumber = !isMap && field.message === undefined && scalar !== ScalarType.STRING && scalar !== ScalarType.BYTES;
  const wireType = isNumber ? wireTypeOf(scalar) : wireTypes.bytes;
  const inner = isMap ? entryPlan(field) : innerOf(field.message);
  const packedType = isList && isNumber ? wireType : undefined;
  return { name: field.name, index, wireType, isList, isMap, countMax: countMaxOf(field), packedType, inner };
}

function innerOf(message: DescMessage | undefined): MessagePlan | JsonKind | undefined {
  return message && (jsonKinds[message.typeName] ?? planOf(message));
}

/** An entry of a map is a message of a key and a value. */
function entryPlan(field: DescField & { fieldKind: "map" }): MessagePlan {
  const part = (name: string, index: number, wireType: number, inner?: FieldPlan["inner"]): FieldPlan => {
    return { name, index, wireType, isList: false, isMap: false, countMax: settingsMax, packedType: undefined, inner };
  };
  const isText = field.scalar === ScalarType.STRING || field.scalar === ScalarType.BYTES || field.message !== undefined;
  const key = part("key", 0, field.mapKey === ScalarType.STRING ? wireTypes.bytes : wireTypeOf(field.mapKey));
  const value = part("value", 1, isText ? wireTypes.bytes : wireTypeOf(field.scalar), innerOf(field.message));
  return {
    typeName: field.name,
    fields: new Map([
      [1, key],
      [2, value],
    ]),
  };
}

/** The wire type of a number; undefined: of an enum. */
function wireTypeOf(scalar: ScalarType | undefined): number {
  switch (scalar) {
    case ScalarType.DOUBLE:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return wireTypes.bits64;
    case ScalarType.FLOAT:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return wireTypes.bits32;
    default:
      return wireTypes.varint;
  }
}

/** The bound of a list or map is in the rules of its proto; undefined: there is none. */
function countMaxOf(field: DescField): number | undefined {
  if (field.fieldKind !== "list" && field.fieldKind !== "map") return settingsMax;
  const { type } = hasOption(field, fieldRules) ? getOption(field, fieldRules) : {};
  const rule = type?.case === "repeated" ? type.value.maxItems : type?.case === "map" ? type.value.maxPairs : undefined;
  return rule === undefined || rule === 0n ? undefined : Number(rule);
}
