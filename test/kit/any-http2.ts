// What a peer of HTTP/2 may send, well or badly, as arbitraries of fast-check.
import fc from "fast-check";
import { encodeFrame, flag, frameType, headerFrames, type RawFields } from "./http2-frames.ts";

/** One thing that a peer does on its connection. */
export type Move =
  | { readonly kind: "headers"; readonly fields: RawFields; readonly end: boolean; readonly pieces: number }
  | { readonly kind: "data"; readonly bytes: Uint8Array; readonly end: boolean }
  | { readonly kind: "reset"; readonly code: number }
  | { readonly kind: "goaway"; readonly lastStream: number; readonly code: number }
  | { readonly kind: "frame"; readonly type: number; readonly flags: number; readonly ofConnection: boolean; readonly payload: Uint8Array }
  /** The peer lets everything that it has sent arrive. */
  | { readonly kind: "turn" }
  /** The peer ends its connection. */
  | { readonly kind: "leave" };

/** The bytes of a move on a stream; undefined: it has none. */
export function bytesOf(move: Move, stream: number): Buffer | undefined {
  switch (move.kind) {
    case "headers":
      return headerFrames(stream, move.fields, move.end, move.pieces);
    case "data":
      return encodeFrame(frameType.data, move.end ? flag.endStream : 0, stream, move.bytes);
    case "reset":
      return encodeFrame(frameType.resetStream, 0, stream, numbers(move.code));
    case "goaway":
      return encodeFrame(frameType.goAway, 0, 0, numbers(move.lastStream, move.code));
    case "frame": {
      const { type, ofConnection, payload } = move;
      return encodeFrame(type, move.flags, ofConnection ? 0 : stream, payload);
    }
    default:
      return undefined;
  }
}

function numbers(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value, 4 * index);
  return bytes;
}

/** Names to which HTTP, node:http2, gRPC, Drover or JavaScript give a meaning. */
const names = [
  ...["location", "etag", "date", "retry-after", "authorization", "age", "content-length", "content-type", "host", "cookie", "set-cookie"],
  ...["http2-settings", "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "te", "trailer"],
  ...["constructor", "__proto__", "tostring", "hasownproperty", "x-a", "x-bin", "a-bin"],
  ...[
    "grpc-status",
    "grpc-message",
    "grpc-status-details-bin",
    "grpc-encoding",
    "grpc-accept-encoding",
    "grpc-timeout",
    "grpc-previous-rpc-attempts",
  ],
  ...["drover-refused", "drover-deployment", "drover-replica", "drover-cold-start", "drover-unknown"],
];
/** What HTTP/2 forbids, and what gRPC and Drover keep for themselves. */
const reserved =
  /^(?:grpc-|drover-|connection$|keep-alive$|proxy-connection$|transfer-encoding$|upgrade$|te$|host$|content-length$|content-type$|http2-settings$)/;
const pseudo = [":status", ":method", ":path", ":scheme", ":authority", ":protocol", ":", ":other"];
const values = [
  "",
  "0",
  "1",
  "14",
  "200",
  "99999999999",
  "-1",
  "trailers",
  "gzip",
  "identity",
  "busy",
  "draining",
  "chunked",
  "1H",
  "100m",
  "AA",
  "a,b",
  "%ZZ",
];

const name = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom(...names) },
  { weight: 4, arbitrary: fc.stringMatching(/^[a-z0-9_.-]{1,12}$/) },
  { weight: 1, arbitrary: fc.constantFrom(...pseudo, "", "X-Upper", "a b", "a:b", "\0", "\xff") },
);
const value = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...values) },
  { weight: 4, arbitrary: fc.stringMatching(/^[ -~]{0,20}$/) },
  { weight: 1, arbitrary: fc.constantFrom("\r\n", "a\0b", "\xff\xfe", " a ", "x".repeat(5_000), "x".repeat(70_000)) },
);
/** Any fields; the same name may come several times. */
export const anyFields: fc.Arbitrary<RawFields> = fc.array(fc.tuple(name, value), { maxLength: 6 }).chain((fields) =>
  // Repeated as they are: what HTTP allows once is of interest twice.
  fc.boolean().map((twice) => (twice ? [...fields, ...fields] : fields)),
);

/** A name and a value, or the length of a long one. */
type Metadatum = readonly [name: string, value: string | number];
/** Metadata as gRPC allows it; several times the size that a call may have. */
export const anyMetadata: fc.Arbitrary<readonly Metadatum[]> = fc
  .array(
    fc.tuple(
      fc.oneof(fc.constantFrom(...names.filter((one) => !reserved.test(one))), fc.stringMatching(/^[a-z0-9_.-]{1,12}$/)),
      fc.oneof(fc.stringMatching(/^[!-~]{0,20}$/), fc.integer({ min: 100, max: 100_000 })),
    ),
    { maxLength: 6 },
  )
  .chain((fields) => fc.boolean().map((twice) => (twice ? [...fields, ...fields] : fields)));

/**
 * Metadata that node:http2 receives without closing the connection: it does so when a field is
 * larger than 64 KiB, and when a header block has more than 8 CONTINUATION frames of 16 KiB.
 */
export const anyMetadataReceived = anyMetadata.filter((metadata) => {
  const sizes = metadata.map(([, value]) => (typeof value === "string" ? value.length : value));
  return sizes.every((size) => size < 65_000) && sizes.reduce((sum, size) => sum + size + 32, 0) < 130_000;
});

export function fieldsOfMetadata(metadata: readonly Metadatum[]): RawFields {
  return metadata.map(([name, value]) => [name, typeof value === "string" ? value : "x".repeat(value)]);
}

const code = fc.oneof(fc.integer({ min: 0, max: 14 }), fc.integer({ min: 0, max: 0xffffffff }));
const payload = fc.oneof(
  fc.uint8Array({ maxLength: 20 }),
  fc.constantFrom(...[4, 5, 6, 8, 9].map((length) => new Uint8Array(length)), new Uint8Array(4).fill(0xff), new Uint8Array(16_385)),
);
/** Bytes of a gRPC message, whole and not. */
const body = fc.oneof(
  fc.constantFrom(
    Uint8Array.of(0, 0, 0, 0, 1, 97),
    Uint8Array.of(1, 0, 0, 0, 1, 97),
    Uint8Array.of(0, 255, 255, 255, 255),
    Uint8Array.of(0, 0, 0, 0, 9, 97),
  ),
  fc.uint8Array({ maxLength: 30 }),
);

/** Any move. `fields` are what well-formed headers begin with. */
export function anyMove(fields: RawFields): fc.Arbitrary<Move> {
  const pieces = fc.integer({ min: 1, max: 3 });
  return fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant("headers" as const),
        fields: anyFields.map((more) => [...fields, ...more]),
        end: fc.boolean(),
        pieces,
      }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("headers" as const), fields: anyFields, end: fc.boolean(), pieces }) },
    { weight: 5, arbitrary: fc.record({ kind: fc.constant("data" as const), bytes: body, end: fc.boolean() }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("reset" as const), code }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("goaway" as const), lastStream: fc.integer({ min: 0, max: 9 }), code }) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant("frame" as const),
        type: fc.integer({ min: 0, max: 12 }),
        flags: fc.integer({ min: 0, max: 255 }),
        ofConnection: fc.boolean(),
        payload,
      }),
    },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("turn" as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("leave" as const) }) },
  );
}
