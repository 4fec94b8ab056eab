import { type FieldViolation, invalid } from "../core/errors.ts";
import type { Json } from "../core/json.ts";
import type { StandardIssue, StandardSchemaV1 } from "../program/definition.ts";

/** What the schema makes of a `user_config`; throws INVALID_FIELD with every issue it has. */
export async function passedThrough(schema: StandardSchemaV1, userConfig: Json): Promise<unknown> {
  const result = await schema["~standard"].validate(userConfig);
  if (result.issues) throw invalid(result.issues.map(violationOf));
  return result.value;
}

function violationOf({ path = [], message }: StandardIssue): FieldViolation {
  return { field: `user_config${path.map(stepText).join("")}`, description: message };
}

/** As in the paths of other fields: `.name`, `[0]`, and in quotes what is not a plain name. */
function stepText(step: PropertyKey | { readonly key: PropertyKey }): string {
  const key = typeof step === "object" ? step.key : step;
  if (typeof key === "number") return `[${key}]`;
  const name = String(key);
  return /^[A-Za-z_]\w*$/.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`;
}
