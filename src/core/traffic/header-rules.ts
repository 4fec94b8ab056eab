// What the headers or trailers of one call may have, on every way: from callers, to and from
// replicas, and at the API. Larger ones can break a whole connection.

/** Pairs of name and value. */
export const headerPairsMax = 1_000;
/** Bytes as HTTP/2 counts them: those of each name and value, and {@link pairBytes} for each pair. */
export const headerBytesMax = 64 * 1024;
/** What HTTP/2 counts for a pair, besides its name and value. */
export const pairBytes = 32;

/** Headers that belong to a connection: no call may have them. RFC 9113, section 8.2.2. */
export const headersOfConnections: ReadonlySet<string> = new Set([
  "connection",
  "http2-settings",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);
