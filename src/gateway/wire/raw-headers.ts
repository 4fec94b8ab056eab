import type { HeaderFields } from "../sides.ts";

/**
 * Header fields from node:http2's raw list, in which names and values alternate. Values of a name
 * that came several times stay apart: if they were joined with commas, as node:http2 joins them, a
 * receiver could not tell them from one value with a comma.
 */
export function fieldsOf(raw: readonly string[]): HeaderFields {
  const fields: HeaderFields = {};
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = raw[at] as string;
    const value = raw[at + 1] as string;
    const before = fields[name];
    if (typeof before === "string") fields[name] = [before, value];
    else if (Array.isArray(before)) before.push(value);
    else fields[name] = value; // also for "constructor", which every object has
  }
  return fields;
}
