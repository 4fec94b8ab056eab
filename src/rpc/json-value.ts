import type { ListValue, Struct, Value } from "@bufbuild/protobuf/wkt";
import type { Part } from "../../gen/drover/v1/invoke_service_pb.ts";
import { isInexact, type Json, type JsonObject, jsonLevelsMax } from "../core/json.ts";

/** A value that has no form in JSON; `path` is where it is in the whole value. */
export class NotJson extends Error {
  override readonly name = "NotJson";
  readonly what: string;
  path = "";

  constructor(what: string) {
    super(what);
    this.what = what;
  }
}

const nullValue = { $typeName: "google.protobuf.Value", kind: { case: "nullValue", value: 0 } } as const satisfies Value;

/** A message as JSON; an empty message is null. */
export function valueToJson(value: Value): Json {
  const { kind } = value;
  switch (kind.case) {
    case "stringValue":
    case "numberValue":
    case "boolValue":
      return kind.value;
    case "structValue":
      return structToJson(kind.value);
    case "listValue":
      return kind.value.values.map(valueToJson);
    default:
      return null;
  }
}

function structToJson(struct: Struct): JsonObject {
  const object: Record<string, Json> = {};
  for (const name in struct.fields) put(object, name, valueToJson(struct.fields[name] as Value));
  return object;
}

/** The first thing in a message that is no JSON, or too deep, and its place; undefined: there is none. */
export function wrongIn({ kind }: Value, level = 0): { readonly path: string; readonly what: string } | undefined {
  if (kind.case === "numberValue") {
    if (Number.isFinite(kind.value)) return undefined;
    return { path: "", what: `${kind.value} is no JSON; send it in an array, which goes as bytes` };
  }
  if (kind.case !== "listValue" && kind.case !== "structValue") return undefined;
  if (level === jsonLevelsMax) return { path: "", what: `must have at most ${jsonLevelsMax} levels of JSON objects and lists` };
  if (kind.case === "listValue") {
    for (const [index, item] of kind.value.values.entries()) {
      const found = wrongIn(item, level + 1);
      if (found !== undefined) return { ...found, path: `[${index}]${found.path}` };
    }
    return undefined;
  }
  for (const name in kind.value.fields) {
    const found = wrongIn(kind.value.fields[name] as Value, level + 1);
    if (found !== undefined) return { ...found, path: `.${name}${found.path}` };
  }
  return undefined;
}

/** Where the binary values of a JSON value go. */
export interface PartsTaken {
  /** The part of a binary value, with an empty path; undefined: the value is not binary. */
  readonly partOf: (value: object) => Part | undefined;
  /** Those taken out so far. */
  readonly parts: Part[];
}

/**
 * The message of the value that `JSON.stringify` would write. Throws `NotJson` where that would
 * lose something (NaN, functions, maps, promises, half a character) or fail. With `taken`, a binary
 * value becomes null, and is put among the parts.
 */
export function jsonToValue(json: unknown, level = 0, taken?: PartsTaken): Value {
  switch (typeof json) {
    case "string":
      return { $typeName: "google.protobuf.Value", kind: { case: "stringValue", value: wellFormed(json) } };
    case "number":
      if (!Number.isFinite(json)) throw new NotJson(String(json));
      return { $typeName: "google.protobuf.Value", kind: { case: "numberValue", value: json } };
    case "boolean":
      return { $typeName: "google.protobuf.Value", kind: { case: "boolValue", value: json } };
    case "undefined":
      return nullValue;
    case "object":
      return json === null ? nullValue : valueOfObject(json, level, taken);
    case "bigint":
      throw new NotJson(`a BigInt (${json}n)`);
    default:
      throw new NotJson(`a ${typeof json}`);
  }
}

/**
 * As {@link jsonToValue}, for what a caller sends: also throws for a whole number beyond 2^53, for
 * it was rounded before it came here.
 */
export function inputToValue(json: unknown, taken?: PartsTaken): Value {
  const value = jsonToValue(json, 0, taken);
  checkNumbers(value);
  return value;
}

function checkNumbers({ kind }: Value): void {
  if (kind.case === "numberValue" && isInexact(kind.value)) {
    throw new NotJson("a whole number beyond 2^53, which JavaScript rounds; give it as text");
  }
  const members =
    kind.case === "listValue"
      ? kind.value.values.map((value, index) => [`[${index}]`, value] as const)
      : kind.case === "structValue"
        ? Object.entries(kind.value.fields).map(([name, value]) => [`.${name}`, value] as const)
        : [];
  for (const [step, member] of members) {
    try {
      checkNumbers(member);
    } catch (cause) {
      throw within(step, cause);
    }
  }
}

/** Half a character has no bytes in UTF-8: an encoder would write another one in its place. */
function wellFormed(text: string): string {
  if (!text.isWellFormed()) throw new NotJson("text with half a character (a lone surrogate)");
  return text;
}

function valueOfObject(json: object, level: number, taken: PartsTaken | undefined): Value {
  if (level === jsonLevelsMax) throw new NotJson(`more than ${jsonLevelsMax} levels, or an object that contains itself`);
  if (Array.isArray(json)) return { $typeName: "google.protobuf.Value", kind: { case: "listValue", value: listOf(json, level, taken) } };
  const prototype: unknown = Object.getPrototypeOf(json);
  if (prototype !== Object.prototype && prototype !== null) {
    const part = taken?.partOf(json);
    if (part !== undefined) {
      taken?.parts.push(part);
      return nullValue;
    }
    if (ArrayBuffer.isView(json) && !("toJSON" in json) && !(json instanceof DataView)) {
      return jsonToValue(Array.from(json as unknown as Iterable<unknown>), level);
    }
    if (json instanceof Number || json instanceof String || json instanceof Boolean) return jsonToValue(json.valueOf(), level);
  }
  if (typeof (json as { toJSON?: unknown }).toJSON === "function")
    return jsonToValue((json as { toJSON(): unknown }).toJSON(), level + 1, taken);
  const tag = Object.prototype.toString.call(json).slice(8, -1);
  if (lossy.has(tag)) throw new NotJson(tag === "Promise" ? "a Promise (is an await missing?)" : `a ${tag}`);
  return { $typeName: "google.protobuf.Value", kind: { case: "structValue", value: structOf(json, level, taken) } };
}

/** Objects whose contents `JSON.stringify` would silently leave out. */
const lossy = new Set(["Map", "Set", "WeakMap", "WeakSet", "Promise", "ArrayBuffer", "DataView"]);

function listOf(items: readonly unknown[], level: number, taken: PartsTaken | undefined): ListValue {
  const values = new Array<Value>(items.length);
  let index = 0;
  try {
    for (; index < items.length; index++) values[index] = member(`${index}`, items[index], level, taken);
  } catch (cause) {
    throw within(`[${index}]`, cause);
  }
  return { $typeName: "google.protobuf.ListValue", values };
}

function structOf(object: object, level: number, taken: PartsTaken | undefined): Struct {
  const fields: Record<string, Value> = {};
  let name = "";
  try {
    for (name of Object.keys(object)) {
      const value: unknown = (object as Record<string, unknown>)[name];
      if (value !== undefined) put(fields, name, member(name, value, level, taken));
    }
  } catch (cause) {
    throw within(`.${name}`, cause);
  }
  for (name in fields) wellFormed(name);
  return { $typeName: "google.protobuf.Struct", fields };
}

/** A member of a list or an object. The parts in it get its name before their paths. */
function member(name: string, json: unknown, level: number, taken: PartsTaken | undefined): Value {
  const before = taken?.parts.length ?? 0;
  const value = jsonToValue(json, level + 1, taken);
  if (taken && taken.parts.length > before) {
    const step = pointerStep(name);
    for (const part of taken.parts.slice(before)) part.path = step + part.path;
  }
  return value;
}

/** A name as a step of a JSON Pointer (RFC 6901). */
export function pointerStep(name: string): string {
  return `/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
}

function within(step: string, cause: unknown): unknown {
  if (cause instanceof NotJson) cause.path = step + cause.path;
  return cause;
}

/** Plain assignment to `__proto__` would change the object's prototype instead. */
function put<T>(object: Record<string, T>, name: string, value: T): void {
  if (name === "__proto__") Object.defineProperty(object, name, { value, enumerable: true, writable: true, configurable: true });
  else object[name] = value;
}
