import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { isMessage } from "@bufbuild/protobuf";
import { isReflectList, isReflectMap, isReflectMessage, type Path, type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import { DurationSchema } from "@bufbuild/protobuf/wkt";
import { createValidator, type Validator, type Violation } from "@bufbuild/protovalidate";
import type { FieldViolation } from "../core/errors.ts";

/** The most characters of a wrong value that a description shows. */
const valueShownMax = 60;

let validator: Validator | undefined;

/**
 * Every violation of the rules of a message's proto, and every field that this build does not know,
 * each with its path in proto names. `root` stands before the paths, for messages that are part of
 * another.
 */
export function violationsOf<D extends DescMessage>(schema: D, message: MessageShape<D>, root = ""): readonly FieldViolation[] {
  validator ??= createValidator();
  const result = validator.validate(schema, message);
  if (result.kind === "error") throw result.error; // a rule in our protos does not work: a bug
  const reflected = reflect(schema, message);
  return [...unknownFields(reflected, root), ...(result.violations ?? []).map((violation) => describe(reflected, violation, root))];
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
    else text = join(text, step.name);
  }
  return text;
}

function keyText(key: unknown): string {
  return `[${typeof key === "string" ? JSON.stringify(key) : String(key)}]`;
}

function join(path: string, name: string | number): string {
  return path === "" ? String(name) : `${path}.${name}`;
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

function unknownFields(message: ReflectMessage, path: string): FieldViolation[] {
  const found = (message.message.$unknown ?? []).map(({ no }) => ({
    field: join(path, no),
    description: `field number ${no} is not known to this server: the client is newer, or the number is wrong`,
  }));
  for (const field of message.fields) {
    if (field.message === undefined || field.message.typeName.startsWith("google.protobuf.") || !message.isSet(field)) continue;
    const name = join(path, field.name);
    const value = message.get(field);
    if (isReflectMessage(value)) found.push(...unknownFields(value, name));
    else if (isReflectList(value))
      for (const [index, item] of value.entries()) found.push(...unknownFields(item as ReflectMessage, `${name}[${index}]`));
    else if (isReflectMap(value))
      for (const [key, item] of value) found.push(...unknownFields(item as ReflectMessage, name + keyText(key)));
  }
  return found;
}
