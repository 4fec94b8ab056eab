import type { Value } from "@bufbuild/protobuf/wkt";
import type { FieldViolation } from "../core/errors.ts";
import { jsonLevelsMax } from "../core/json.ts";

/** Where in a Value something is that is no JSON; undefined: nowhere. */
export function notJson({ kind }: Value, field: string, level = 0): FieldViolation | undefined {
  switch (kind.case) {
    case undefined:
      return { field, description: "is a google.protobuf.Value with nothing set: set null_value for null" };
    case "numberValue":
      return Number.isFinite(kind.value) ? undefined : { field, description: `is not JSON: it holds ${kind.value}` };
    case "structValue":
      return level === jsonLevelsMax ? tooDeep(field) : firstWrong(Object.entries(kind.value.fields), (name) => `${field}.${name}`, level);
    case "listValue":
      return level === jsonLevelsMax ? tooDeep(field) : firstWrong(kind.value.values.entries(), (index) => `${field}[${index}]`, level);
    default:
      return undefined;
  }
}

function firstWrong<K>(members: Iterable<readonly [K, Value]>, pathOf: (key: K) => string, level: number): FieldViolation | undefined {
  for (const [key, value] of members) {
    // The path is made only of what is wrong, or is not a leaf.
    const isLeaf = value.kind.case === "stringValue" || value.kind.case === "boolValue" || value.kind.case === "nullValue";
    const problem = isLeaf ? undefined : notJson(value, pathOf(key), level + 1);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function tooDeep(field: string): FieldViolation {
  return { field, description: `must have at most ${jsonLevelsMax} levels of objects and lists within each other` };
}
