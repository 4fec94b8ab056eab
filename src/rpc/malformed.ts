import type { DescField, DescMessage, Message } from "@bufbuild/protobuf";
import type { FieldViolation } from "../core/errors.ts";

/** The bounds of protobuf on seconds: about 10,000 years, and the years 1 to 9999. */
const durationSecondsMax = 315_576_000_000n;
const [timestampSecondsMin, timestampSecondsMax] = [-62_135_596_800n, 253_402_300_799n];
const nanosMax = 999_999_999;

/**
 * What no rule of a proto says: every field that this build does not know, and every Duration and
 * Timestamp that is none, with its path in proto names. `root` stands before the paths.
 */
export function malformed(schema: DescMessage, message: Message, root = ""): readonly FieldViolation[] {
  const found: FieldViolation[] = [];
  collect(schema, message, root, found);
  return found;
}

function collect(schema: DescMessage, message: Message, path: string, found: FieldViolation[]): void {
  const wrongTime = timeProblem(message as unknown as WireTime);
  if (wrongTime !== undefined) found.push({ field: path || schema.name, description: wrongTime });
  for (const { no } of message.$unknown ?? []) {
    const description = `field number ${no} is not known to this server: the client is newer, or the number is wrong`;
    found.push({ field: joinPath(path, no), description });
  }
  for (const field of schema.fields) {
    const inner = field.message;
    if (inner === undefined || jsonTypes.has(inner.typeName)) continue;
    const value = messageIn(field, message);
    if (value === undefined) continue;
    const name = joinPath(path, field.name);
    if (field.fieldKind === "list") {
      for (const [index, item] of (value as readonly Message[]).entries()) collect(inner, item, `${name}[${index}]`, found);
    } else if (field.fieldKind === "map") {
      for (const [key, item] of Object.entries(value as Readonly<Record<string, Message>>))
        collect(inner, item, name + keyText(key), found);
    } else collect(inner, value as Message, name, found);
  }
}

/** JSON is checked before it is decoded. */
const jsonTypes: ReadonlySet<string> = new Set(["google.protobuf.Value", "google.protobuf.Struct", "google.protobuf.ListValue"]);

/** The value of a field of messages; undefined: it is not set. */
function messageIn(field: DescField, message: Message): unknown {
  const fields = message as unknown as Readonly<Record<string, unknown>>;
  if (field.oneof === undefined) return fields[field.localName];
  const chosen = fields[field.oneof.localName] as { readonly case?: string; readonly value?: unknown } | undefined;
  return chosen?.case === field.localName ? chosen.value : undefined;
}

interface WireTime {
  readonly $typeName: string;
  readonly seconds: bigint;
  readonly nanos: number;
}

/** Why a Duration or a Timestamp is none; undefined: it is one, or another message. */
function timeProblem({ $typeName, seconds, nanos }: WireTime): string | undefined {
  if ($typeName === "google.protobuf.Duration") {
    const otherSign = (seconds > 0n && nanos < 0) || (seconds < 0n && nanos > 0);
    if (seconds >= -durationSecondsMax && seconds <= durationSecondsMax && Math.abs(nanos) <= nanosMax && !otherSign) return undefined;
    return `is no time: seconds must be of -${durationSecondsMax} to ${durationSecondsMax}, and nanos of -${nanosMax} to ${nanosMax} and of the same sign (got ${seconds} and ${nanos})`;
  }
  if ($typeName !== "google.protobuf.Timestamp") return undefined;
  if (seconds >= timestampSecondsMin && seconds <= timestampSecondsMax && nanos >= 0 && nanos <= nanosMax) return undefined;
  return `is no point in time: seconds must be of ${timestampSecondsMin} to ${timestampSecondsMax}, and nanos of 0 to ${nanosMax} (got ${seconds} and ${nanos})`;
}

export function joinPath(path: string, name: string | number): string {
  return path === "" ? String(name) : `${path}.${name}`;
}

export function keyText(key: unknown): string {
  return `[${typeof key === "string" ? JSON.stringify(key) : String(key)}]`;
}
