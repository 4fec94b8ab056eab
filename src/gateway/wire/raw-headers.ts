import { type HeaderFields, noFields } from "../sides.ts";

/**
 * Header fields from node:http2's raw list, in which names and values alternate. Values of a name
 * that came several times stay apart: if they were joined with commas, as node:http2 joins them, a
 * receiver could not tell them from one value with a comma.
 */
export function fieldsOf(raw: readonly string[]): HeaderFields {
  const fields = noFields();
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = raw[at] as string;
    const value = raw[at + 1] as string;
    const before = fields[name];
    if (typeof before === "string") fields[name] = [before, value];
    else if (Array.isArray(before)) before.push(value);
    else fields[name] = value;
  }
  return fields;
}

/**
 * The one way of a header block to node:http2. Values of one name stay apart. A Node without
 * `strictSingleValueFields` throws for some names that have several values, such as `location`:
 * there they are joined with commas, which gRPC holds to be the same. Throws for a block that HTTP/2
 * does not allow.
 */
export function sendBlock<Result>(fields: HeaderFields, send: (fields: HeaderFields) => Result): Result {
  try {
    return send(fields);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_HTTP2_HEADER_SINGLE_VALUE") throw error;
    return send(joined(fields));
  }
}

/** Gives each name one value. */
function joined(fields: HeaderFields): HeaderFields {
  const single = noFields();
  for (const name in fields) {
    const value = fields[name];
    single[name] = Array.isArray(value) ? value.join(", ") : value;
  }
  return single;
}
