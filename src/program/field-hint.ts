import { didYouMean } from "./did-you-mean.ts";
import { raysNames } from "./rays-names.ts";

/** The names of fields, each with the names of the fields in it. */
export interface KnownFields {
  readonly [name: string]: KnownFields;
}

/**
 * What to write instead of a field that does not exist. Names are in snake case; `print` is how a
 * field's path is shown.
 */
export function fieldHint(given: string, known: KnownFields, print: (path: string) => string = (path) => path): string {
  const ray = Object.hasOwn(raysNames, given) ? raysNames[given] : undefined;
  if (ray !== undefined && !("fields" in ray)) return `Ray Serve has it; ${ray.remedy}`;
  const meant = ray === undefined ? near(given, known) : ray.fields.flatMap((path) => within(known, path) ?? []);
  if (meant.length > 0) return `did you mean ${meant.map(print).join(" and ")}?`;
  return `there are ${Object.keys(known).map(print).join(", ")}`;
}

/** A field of this name without its unit, or one level deeper, or with a name that is spelled like it. */
function near(given: string, known: KnownFields): readonly string[] {
  const unitless = given.replace(/_(s|sec|secs|seconds)$/, "");
  for (const name of [given, unitless]) {
    if (Object.hasOwn(known, name)) return [name];
    const [around] = Object.entries(known).filter(([, inner]) => Object.hasOwn(inner, name));
    if (around !== undefined) return [`${around[0]}.${name}`];
  }
  const spelled = didYouMean(given, Object.keys(known));
  return spelled === undefined ? [] : [spelled];
}

/** The path from this level on; undefined: it leads to no field of this level. */
function within(known: KnownFields, path: string): string | undefined {
  if (has(known, path)) return path;
  const [, rest] = /^[^.]+\.(.*)$/.exec(path) ?? [];
  return rest === undefined ? undefined : within(known, rest);
}

function has(known: KnownFields, path: string): boolean {
  const [name = "", ...rest] = path.split(".");
  const inner = Object.hasOwn(known, name) ? known[name] : undefined;
  return inner !== undefined && (rest.length === 0 || has(inner, rest.join(".")));
}
