import { type ClientHttp2Session, connect, type OutgoingHttpHeaders } from "node:http2";
import { connect as connectSocket } from "node:net";
import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";

/** What a call ended with. */
export interface RawEnd {
  /** The headers and trailers, in one. */
  readonly fields: Readonly<Record<string, string>>;
  /** The bytes of the body. */
  readonly body: Buffer;
  readonly resetCode: number;
}

export interface RawCaller extends AsyncDisposable {
  call(path: string, headers: OutgoingHttpHeaders | string[], body: Buffer): Promise<RawEnd>;
}

/** An option of node:http2 that its types do not know yet: any header may come several times. */
const anyRepetition = { strictSingleValueFields: false };

/** A caller that sends exactly the bytes it is given, at a unix socket. */
export function rawCaller(address: string): RawCaller {
  const session: ClientHttp2Session = connect("http://localhost", {
    createConnection: () => connectSocket(address.replace("unix:", "")),
    ...anyRepetition,
    maxHeaderListPairs: 4_096,
    settings: { maxHeaderListSize: 128 * 1024 },
  });
  return {
    call: (path, headers, body) =>
      new Promise((resolve, reject) => {
        const base = baseHeaders(path);
        const own = Array.isArray(headers)
          ? [...Object.entries(base).flat(), ":scheme", "http", ":authority", "localhost", ...headers]
          : { ...base, ...headers };
        const stream = session.request(own as OutgoingHttpHeaders);
        const fields: Record<string, string> = {};
        const chunks: Buffer[] = [];
        stream.on("response", (given) => Object.assign(fields, given));
        stream.on("trailers", (given) => Object.assign(fields, given));
        stream.on("data", (chunk: Buffer) => chunks.push(chunk));
        stream.on("error", reject);
        stream.on("close", () => resolve({ fields, body: Buffer.concat(chunks), resetCode: stream.rstCode }));
        stream.end(body);
      }),
    [Symbol.asyncDispose]: () => new Promise((resolve) => (session.closed ? resolve() : session.close(resolve))),
  };
}

function baseHeaders(path: string): OutgoingHttpHeaders {
  return { ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers" };
}

/** A message as gRPC frames it. */
export function framed(bytes: Uint8Array, compressed = false): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(compressed ? 1 : 0);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

export function bytesOf<D extends DescMessage>(schema: D, message: MessageInitShape<D>): Uint8Array {
  return toBinary(schema, create(schema, message));
}
