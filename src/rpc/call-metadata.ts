import { constants } from "node:http2";
import { Metadata, type MetadataValue } from "@grpc/grpc-js";
import { StatusError } from "../core/errors.ts";
import { headerBytesMax, headersOfConnections, pairBytes } from "../core/traffic/header-rules.ts";

/** The values of a metadata key: text, or bytes where the key ends in `-bin`; several, one by one. */
export type MetadataValues = string | Uint8Array | readonly (string | Uint8Array)[];

/** What gRPC itself sends, or HTTP/2 forbids; and `__proto__`, which grpc-js loses. */
const reserved = new Set([
  ...["grpc-status", "grpc-message", "grpc-encoding", "grpc-accept-encoding", "content-type", "content-length", "te", "__proto__"],
  ...headersOfConnections,
]);

/** Some of the headers that node:http2 knows may come once only. */
const knownToHttp2: ReadonlySet<string> = new Set(
  Object.entries(constants).flatMap(([name, value]) => (name.startsWith("HTTP2_HEADER_") ? [String(value)] : [])),
);

/** Metadata that a handler sends. A key that cannot be sent is an error at once. */
export class ResponseMetadata extends Metadata {
  override set(key: string, value: MetadataValue): void {
    checkKey(key);
    super.set(key, value);
  }

  override add(key: string, value: MetadataValue): void {
    checkKey(key);
    super.add(key, value);
  }
}

/**
 * The metadata of a request. Throws a `StatusError` where it cannot be sent: grpc-js would lose its
 * connection, with all calls on it, again and again.
 */
export function requestMetadata(given: Readonly<Record<string, MetadataValues>>): Metadata {
  const metadata = new Metadata();
  let bytes = 0;
  try {
    for (const [key, values] of Object.entries(given)) {
      checkKey(key);
      for (const value of sendable(key, Array.isArray(values) ? values : [values])) {
        metadata.add(key, value);
        bytes += key.length + value.length + pairBytes;
      }
    }
  } catch (error) {
    throw new StatusError("INVALID_ARGUMENT", `metadata: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (bytes <= headerBytesMax) return metadata;
  throw new StatusError("RESOURCE_EXHAUSTED", `the metadata has ${bytes} bytes, and at most ${headerBytesMax} are sent`);
}

/** By gRPC's protocol, text values of one key may be joined by a comma. */
function sendable(key: string, values: readonly (string | Uint8Array)[]): readonly MetadataValue[] {
  if (values.length > 1 && knownToHttp2.has(key.toLowerCase())) return [values.join(", ")];
  return values.map((value) => (typeof value === "string" ? value : Buffer.from(value)));
}

function checkKey(key: string): void {
  const name = key.toLowerCase();
  if (reserved.has(name)) throw new Error(`the key "${key}" is reserved for gRPC and HTTP: choose another one`);
  if (name.includes(":")) throw new Error(`the key "${key}" has a colon: letters, digits and any of _-. are allowed`);
}
