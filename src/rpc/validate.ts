import { create, type DescMessage, isMessage, type Message, type MessageShape } from "@bufbuild/protobuf";
import { isReflectList, isReflectMap, isReflectMessage, type Path, type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import { DurationSchema } from "@bufbuild/protobuf/wkt";
import { createValidator, type Validator, type Violation } from "@bufbuild/protovalidate";
import type { Pace } from "../clock/breathe.ts";
import type { FieldViolation } from "../core/errors.ts";
import { longLists } from "./in-parts.ts";
import { joinPath, keyText, malformed } from "./malformed.ts";

/** The most characters of a wrong value that a description shows. */
const valueShownMax = 60;

let validator: Validator | undefined;

/**
 * Every violation of the rules of a message's proto, every field that this build does not know, and
 * every time that is malformed, each with its path in proto names. `root` stands before the paths,
 * for messages that are part of another.
 */
export function violationsOf<D extends DescMessage>(schema: D, message: MessageShape<D>, root = ""): readonly FieldViolation[] {
  return [...malformed(schema, message, root), ...ruleViolations(schema, message, root)];
}

/**
 * Compiles the rules of a message's proto, which takes long the first time. Called before a server
 * takes requests, so that its first request does not hold up all others.
 */
export function compileRules(schema: DescMessage): void {
  ruleViolations(schema, create(schema), "");
}

function ruleViolations<D extends DescMessage>(schema: D, message: MessageShape<D>, root: string): readonly FieldViolation[] {
  validator ??= createValidator();
  const result = validator.validate(schema, message);
  if (result.kind === "error") throw result.error; // a rule in our protos does not work: a bug
  if (result.violations === undefined || result.violations.length === 0) return [];
  const reflected = reflect(schema, message);
  return result.violations.map((violation) => describe(reflected, violation, root));
}

/** After this many violations, the items that are left are not checked. */
export const violationsMax = 50;

/**
 * As {@link violationsOf}, for a message with long lists of messages: their items are checked
 * one after the other, at that pace, and only until there are enough violations for an error.
 */
export async function violationsInParts(schema: DescMessage, message: Message, pace: Pace): Promise<readonly FieldViolation[]> {
  const lists = longLists(schema, message);
  if (lists.length === 0) return violationsOf(schema, message);
  // A list that is checked by parts must not be empty here: rules want at least one item. Its
  // length was checked before it was decoded.
  const firsts = lists.map(({ field, items }) => [field.localName, items.slice(0, 1)] as const);
  const found = [...violationsOf(schema, { ...message, ...Object.fromEntries(firsts) })];
  for (const { field, item, items } of lists) {
    for (let index = 1; index < items.length && found.length < violationsMax; index++) {
      found.push(...violationsOf(item, items[index] as Message, `${field.name}[${index}]`));
      await pace();
    }
  }
  return found;
}

function describe(message: ReflectMessage, { field: path, message: rule, forKey }: Violation, root: string): FieldViolation {
  const field = pathText(path, root) || message.desc.name;
  const last = path.at(-1);
  if (last?.kind === "oneof") return { field, description: `${rule}: ${last.fields.map(({ name }) => name).join(", ")}` };
  if (forKey) return { field, description: `the name ${rule}` };
  const value = valueShown(valueAt(message, path));
  return { field, description: value === "" ? rule : `${rule} (got ${value})` };
}

function pathText(path: Path, root: string): string {
  let text = root;
  for (const step of path) {
    if (step.kind === "list_sub") text += `[${step.index}]`;
    else if (step.kind === "map_sub") text += keyText(step.key);
    else text = joinPath(text, step.name);
  }
  return text;
}

/** The value at `path`; undefined: it is not set. */
function valueAt(message: ReflectMessage, path: Path): unknown {
  let value: unknown = message;
  for (const step of path) {
    if (step.kind === "list_sub") value = isReflectList(value) ? value.get(step.index) : undefined;
    else if (step.kind === "map_sub") value = isReflectMap(value) ? value.get(step.key) : undefined;
    else value = step.kind === "field" && isReflectMessage(value) && value.isSet(step) ? value.get(step) : undefined;
  }
  return value;
}

function valueShown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(shortened(value));
  if (typeof value === "number" || typeof value === "bigint" || typeof value === "boolean") return String(value);
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (isReflectList(value)) return `${value.size} items`;
  if (isReflectMap(value)) return shortened([...value.keys()].join(", "));
  if (!isReflectMessage(value)) return "";
  const duration = value.message;
  return isMessage(duration, DurationSchema) ? `${Number(duration.seconds) + duration.nanos / 1e9}s` : "";
}

function shortened(text: string): string {
  return text.length <= valueShownMax ? text : `${text.slice(0, valueShownMax - 1)}…`;
}
