import { type FieldViolation, invalid } from "../core/errors.ts";
import type { Json } from "../core/json.ts";
import type { StandardIssue, StandardSchemaV1 } from "../program/definition.ts";

/** The schema's output for a `user_config`. Throws INVALID_FIELD with every issue. */
export async function passedThrough(schema: StandardSchemaV1, userConfig: Json): Promise<unknown> {
  const result = await schema["~standard"].validate(userConfig);
  if (result.issues) throw invalid(result.issues.map(violationOf));
  return result.value;
}

function violationOf({ path = [], message }: StandardIssue): FieldViolation {
  return { field: `user_config${path.map(stepText).join("")}`, description: message };
}

/**
 * In the form of other field paths: `.name`, `[0]`, and `["a b"]` for a name that is not an
 * identifier.
 */
function stepText(step: PropertyKey | { readonly key: PropertyKey }): string {
  const key = typeof step === "object" ? step.key : step;
  if (typeof key === "number") return `[${key}]`;
  const name = String(key);
  return /^[A-Za-z_]\w*$/.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`;
}
