// Long messages are worked on in parts, so that everything else of this process goes on: a list of
// messages item by item, at a pace.
import {
  type DescField,
  type DescMessage,
  type JsonValue,
  type Message,
  type MessageInitShape,
  type MessageShape,
  toJson,
} from "@bufbuild/protobuf";
import { type Pace, pacing } from "../clock/breathe.ts";
import type { Json } from "../core/json.ts";
import { encode } from "./codec.ts";

/** A list with no more items than this is encoded or checked at once. */
const itemsAtOnce = 5;

interface ListOfMessages {
  readonly field: DescField;
  readonly item: DescMessage;
  readonly items: readonly Message[];
}

/** The lists of messages in a message that have more than `atOnce` items. */
export function longLists(schema: DescMessage, message: object, atOnce = itemsAtOnce): readonly ListOfMessages[] {
  const values = message as Readonly<Record<string, unknown>>;
  return schema.fields.flatMap((field) => {
    const items = field.fieldKind === "list" && field.message !== undefined ? values[field.localName] : undefined;
    const isLong = Array.isArray(items) && items.length > atOnce;
    return isLong ? [{ field, item: field.message as DescMessage, items: items as readonly Message[] }] : [];
  });
}

const emptied = (lists: readonly ListOfMessages[]) => Object.fromEntries(lists.map(({ field }) => [field.localName, []]));

/** As {@link encode}: the parts of a message in a row are the message. */
export async function encodeInParts(schema: DescMessage, message: MessageInitShape<DescMessage>, nowMs: () => number): Promise<Buffer> {
  const lists = longLists(schema, message);
  if (lists.length === 0) return encode(schema, message);
  const pace = pacing(nowMs);
  const { $typeName: _, $unknown: __, ...rest } = message as Readonly<Record<string, unknown>>;
  const parts = [encode(schema, { ...rest, ...emptied(lists) } as MessageInitShape<DescMessage>)];
  for (const { field, items } of lists) {
    for (let index = 0; index < items.length; index += itemsAtOnce) {
      await pace();
      const some = { [field.localName]: items.slice(index, index + itemsAtOnce) };
      parts.push(encode(schema, some as MessageInitShape<DescMessage>));
    }
  }
  return Buffer.concat(parts);
}

/** The proto JSON of a message. */
export async function jsonInParts<D extends DescMessage>(schema: D, message: MessageShape<D>, pace: Pace): Promise<Json> {
  const lists = longLists(schema, message, 0);
  if (lists.length === 0) return toJson(schema, message) as Json;
  const rest = toJson(schema, { ...message, ...emptied(lists) });
  const parts: Record<string, JsonValue> = {};
  for (const { field, item, items } of lists) {
    const printed: JsonValue[] = [];
    for (const value of items) {
      printed.push(toJson(item, value));
      await pace();
    }
    parts[field.jsonName] = printed;
  }
  return { ...(rest as Record<string, JsonValue>), ...parts } as Json;
}
