// The arguments of a method and its results, as what a program gives and takes, and as messages.
import type { Value } from "@bufbuild/protobuf/wkt";
import type { InvokeRequest, InvokeResponse, Part } from "../../gen/drover/v1/invoke_service_pb.ts";
import { invalid, refusal } from "../core/errors.ts";
import { inputToValue, jsonToValue, NotJson, type PartsTaken, pointerStep, valueToJson, wrongIn } from "./json-value.ts";
import { partOf, partsMax, placeParts, WrongPart } from "./parts.ts";

/** The arguments of a call; both empty: none was given. */
export interface GivenArguments {
  readonly positional: readonly unknown[];
  /** By the parameter's name; undefined: not given. */
  readonly named: Readonly<Record<string, unknown>>;
}

export type ArgumentFields = Pick<InvokeRequest, "input" | "parts">;
export type ResultFields = Pick<InvokeResponse, "output" | "parts">;

/**
 * The arguments as the fields of a request. One argument by position goes as `json` or `bytes`. Ends
 * of `positional` that are undefined are not given. Throws a `TypeError` with the place of what
 * cannot be sent.
 */
export function encodeArguments({ positional, named }: GivenArguments): ArgumentFields {
  const given = positional.slice(0, positional.findLastIndex((argument) => argument !== undefined) + 1);
  const names = Object.keys(named).filter((name) => named[name] !== undefined);
  if (given.length === 0 && names.length === 0) return { input: { case: undefined }, parts: [] };
  const parts: Part[] = [];
  if (given.length === 1 && names.length === 0) {
    if (given[0] instanceof Uint8Array) return { input: { case: "bytes", value: given[0] as Uint8Array<ArrayBuffer> }, parts };
    return { input: { case: "json", value: argumentOf(given[0], "", "[0]", parts) }, parts };
  }
  const values = given.map((argument, index) => argumentOf(argument, `/positional/${index}`, `[${index}]`, parts));
  const byName = names.map((name) => [name, argumentOf(named[name], `/named${pointerStep(name)}`, `.${name}`, parts)]);
  const value = {
    $typeName: "drover.v1.Arguments",
    positional: values,
    named: Object.fromEntries(byName) as Record<string, Value>,
  } as const;
  return { input: { case: "arguments", value }, parts };
}

function argumentOf(argument: unknown, path: string, name: string, parts: Part[]): Value {
  try {
    return withParts(path, parts, (taken) => inputToValue(argument, taken));
  } catch (cause) {
    if (!(cause instanceof NotJson)) throw cause;
    throw new TypeError(`the arguments are not JSON: arguments${name}${cause.path} is ${cause.what}`);
  }
}

/** Takes the parts of one value, whose paths begin with `path`. */
function withParts(path: string, parts: Part[], convert: (taken: PartsTaken) => Value): Value {
  const taken = { partOf, parts: [] as Part[] };
  const value = convert(taken);
  for (const part of taken.parts) parts.push(path === "" ? part : { ...part, path: path + part.path });
  if (parts.length > partsMax) throw new NotJson(`a value with more than ${partsMax} binary values`);
  return value;
}

/** The arguments of a request. Throws INVALID_FIELD for a part without a place, and for what is no JSON. */
export function decodeArguments({ input, parts }: ArgumentFields): GivenArguments {
  try {
    switch (input.case) {
      case "json":
        return { positional: [placeParts(given(input.value, "json"), parts)], named: {} };
      case "arguments": {
        const positional = input.value.positional.map((value, index) => given(value, `arguments.positional[${index}]`));
        const named = Object.fromEntries(Object.entries(input.value.named).map(([name, value]) => [name, given(value, name)]));
        return placeParts({ positional, named }, parts) as GivenArguments;
      }
      default:
        if (parts.length > 0) throw new WrongPart("parts", "only json and arguments have parts");
        return { positional: input.case === "bytes" ? [input.value] : [], named: {} };
    }
  } catch (cause) {
    if (!(cause instanceof WrongPart)) throw cause;
    throw invalid([{ field: cause.field, description: cause.message }]);
  }
}

function given(value: Value, field: string): unknown {
  const wrong = wrongIn(value);
  if (wrong === undefined) return valueToJson(value);
  throw invalid([{ field: field + wrong.path, description: wrong.what }]);
}

/** A result, or an item of a stream, as the fields of a response. Throws `NotJson`. */
export function encodeResult(result: unknown): ResultFields {
  if (result instanceof Uint8Array) return { output: { case: "bytes", value: result as Uint8Array<ArrayBuffer> }, parts: [] };
  const parts: Part[] = [];
  return { output: { case: "json", value: withParts("", parts, (taken) => jsonToValue(result, 0, taken)) }, parts };
}

/** The result in a response. Throws PROTOCOL_VIOLATION for a part without a place. */
export function decodeResult({ output, parts }: ResultFields): unknown {
  if (output.case === "bytes") return output.value;
  try {
    return placeParts(output.case === "json" ? valueToJson(output.value) : null, parts);
  } catch (cause) {
    if (!(cause instanceof WrongPart)) throw cause;
    throw refusal("PROTOCOL_VIOLATION", `the response is wrong: ${cause.field}: ${cause.message}`);
  }
}
