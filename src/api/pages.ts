import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";
import { pacing } from "../clock/breathe.ts";
import type { Clock } from "../clock/clock.ts";
import { refusal } from "../core/errors.ts";
import { Encoded, encode } from "../rpc/codec.ts";

/** Items of a page by default. */
const pageSizeDefault = 100;
/**
 * The most bytes of a page that has more than one item: half of what gRPC clients read by default.
 * No item alone is too large for them.
 */
export const pageBytesMax = 2 * 2 ** 20;

/** Which page is wanted. */
export interface PageRequest {
  /** 0: {@link pageSizeDefault}. */
  readonly pageSize: number;
  /** Empty: the first page. */
  readonly pageToken: string;
}

/** A list that is answered in pages. */
export interface PagedList<O extends DescMessage, T> {
  readonly items: Iterable<T>;
  /** The items are in the order of their keys. */
  readonly keyOf: (item: T) => string;
  /** The response with that item alone; with none if it is gone. */
  readonly answer: (item: T) => MessageInitShape<O>;
}

/**
 * One page of a list, encoded item by item, so that everything else of this process goes on. The
 * page ends at the size that is asked for, or before an item with which it would have more than
 * {@link pageBytesMax}. A token is the last key of the page before, so items that come or go do not
 * shift the others.
 */
export async function pageOf<O extends DescMessage, T>(
  output: O,
  { pageSize, pageToken }: PageRequest,
  { items, keyOf, answer }: PagedList<O, T>,
  clock: Pick<Clock, "nowMs">,
): Promise<Encoded> {
  const after = decodeToken(pageToken);
  const rest = Array.from(items, (item) => ({ key: keyOf(item), item }))
    .filter(({ key }) => after === undefined || key > after)
    .sort((a, b) => (a.key < b.key ? -1 : 1));
  const pace = pacing(() => clock.nowMs());
  const parts: Buffer[] = [];
  let bytes = 0;
  let last = "";
  for (const { key, item } of rest.slice(0, pageSize === 0 ? pageSizeDefault : pageSize)) {
    const part = encode(output, answer(item));
    if (bytes > 0 && bytes + part.length > pageBytesMax) break;
    parts.push(part);
    bytes += part.length;
    last = key;
    await pace();
  }
  if (rest.length > parts.length) parts.push(encode(output, { nextPageToken: encodeToken(last) } as MessageInitShape<DescMessage>));
  return new Encoded(Buffer.concat(parts));
}

const mark = "p1:";

const encodeToken = (key: string): string => Buffer.from(mark + key).toString("base64url");

function decodeToken(token: string): string | undefined {
  if (token === "") return undefined;
  const text = Buffer.from(token, "base64url").toString();
  if (!text.startsWith(mark) || encodeToken(text.slice(mark.length)) !== token) {
    throw refusal("INVALID_PAGE_TOKEN", "page_token was not returned by this list: begin without one", {
      violations: [{ field: "page_token", description: "must be the next_page_token of an earlier page" }],
    });
  }
  return text.slice(mark.length);
}

/** A key that sorts what has the highest number first. */
export function newestFirst(number: number): string {
  return String(Number.MAX_SAFE_INTEGER - number).padStart(16, "0");
}
