import { type DescField, type DescMessage, type JsonValue, type Message, type MessageShape, toJson } from "@bufbuild/protobuf";
import type { Pace } from "../clock/breathe.ts";
import type { Json } from "../core/json.ts";

/**
 * The proto JSON of a message. Lists of messages in it are printed item by item, at that pace, so
 * that everything else of this process goes on.
 */
export async function jsonInParts<D extends DescMessage>(schema: D, message: MessageShape<D>, pace: Pace): Promise<Json> {
  const fields = message as unknown as Readonly<Record<string, unknown>>;
  const lists = listsOfMessages(schema).filter(({ localName }) => (fields[localName] as readonly Message[]).length > 0);
  if (lists.length === 0) return toJson(schema, message) as Json;
  const rest = toJson(schema, { ...message, ...Object.fromEntries(lists.map(({ localName }) => [localName, []])) });
  const parts: Record<string, JsonValue> = {};
  for (const { localName, jsonName, message: item } of lists) {
    const printed: JsonValue[] = [];
    for (const value of fields[localName] as readonly Message[]) {
      printed.push(toJson(item, value));
      await pace();
    }
    parts[jsonName] = printed;
  }
  return { ...(rest as Record<string, JsonValue>), ...parts } as Json;
}

type ListOfMessages = DescField & { readonly fieldKind: "list"; readonly message: DescMessage };

/** The fields of a message that are lists of messages. */
export function listsOfMessages({ fields }: DescMessage): readonly ListOfMessages[] {
  return fields.filter((field): field is ListOfMessages => field.fieldKind === "list" && field.message !== undefined);
}
