import { refusal } from "../core/errors.ts";

/** Items of a page by default. */
const pageSizeDefault = 100;

export interface Page<T> {
  readonly items: readonly T[];
  readonly nextPageToken: string;
}

/**
 * One page of items in the order of their keys. A token is the last key of the page before, so
 * items that come or go do not shift the others.
 */
export function pageOf<T>(items: Iterable<T>, keyOf: (item: T) => string, pageSize: number, pageToken: string): Page<T> {
  const after = decodeToken(pageToken);
  const size = pageSize === 0 ? pageSizeDefault : pageSize;
  const rest = [...items].filter((item) => after === undefined || keyOf(item) > after).sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  const page = rest.slice(0, size);
  const last = page.at(-1);
  return { items: page, nextPageToken: rest.length > size && last !== undefined ? encodeToken(keyOf(last)) : "" };
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
