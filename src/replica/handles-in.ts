import type { Json, JsonObject } from "../core/json.ts";
import { deploymentKey } from "../program/application.ts";

/** The `init_args` with a handle in the place of each `{"$deployment": "NAME"}`, at any depth. */
export function withHandles(initArgs: JsonObject, handleOf: (name: string) => unknown): JsonObject {
  const convert = (value: Json): unknown => {
    if (typeof value !== "object" || value === null) return value;
    if (Array.isArray(value)) return value.map(convert);
    const entries = Object.entries(value);
    const [[key, name] = []] = entries;
    if (entries.length === 1 && key === deploymentKey && typeof name === "string") return handleOf(name);
    return Object.fromEntries(entries.map(([member, one]) => [member, convert(one)]));
  };
  // A handle is no JSON, but a program takes it as an argument like any other.
  return convert(initArgs) as JsonObject;
}
