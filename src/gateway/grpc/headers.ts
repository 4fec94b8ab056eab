import { constants, type OutgoingHttpHeaders } from "node:http2";
import type { StatusError } from "../../core/errors.ts";
import { detailsKey, encodeStatus } from "../../rpc/status.ts";

/** Names a deployment, where the message and the service do not. */
export const deploymentHeader = "drover-deployment";
/** Tells the caller which replica answered. */
export const replicaHeader = "drover-replica";
/** The trailer of a request that waited for a first replica: for how many milliseconds. */
export const coldStartTrailer = "drover-cold-start";
/** Set by a replica that did nothing about a request: `busy` or `draining`. */
export const refusedHeader = "drover-refused";
export const timeoutHeader = "grpc-timeout";

/**
 * Headers as they came, name and value by turns, as node:http2 sends them. Names that came several times stay apart:
 * joined with commas, as node:http2 gives them, a receiver could not tell them from one value with a comma.
 */
export function headersOf(raw: readonly string[]): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = {};
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = raw[at] as string;
    const value = raw[at + 1] as string;
    const before = headers[name];
    if (before === undefined) headers[name] = value;
    else headers[name] = Array.isArray(before) ? [...before, value] : [String(before), value];
  }
  return headers;
}

/** The value of a header of which there is one; undefined: there is none. */
export function headerOf(headers: OutgoingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return value === undefined ? undefined : String(value);
}

/** Whether a content type is gRPC's over HTTP/2; `application/grpc-web` is not. */
export function isGrpc(contentType: string | undefined): boolean {
  return contentType !== undefined && /^application\/grpc(?:[+;]|$)/.test(contentType);
}

/** The trailers of an error. */
export function errorTrailers(error: StatusError): OutgoingHttpHeaders {
  const { code, message, details } = encodeStatus(error);
  const trailers: OutgoingHttpHeaders = { "grpc-status": String(code), "grpc-message": percentEncode(message) };
  if (details !== undefined) trailers[detailsKey] = Buffer.from(details).toString("base64").replace(/=+$/, "");
  return trailers;
}

/** The headers of a response that is nothing but an error. */
export function errorHeaders(error: StatusError): OutgoingHttpHeaders {
  return { [constants.HTTP2_HEADER_STATUS]: 200, "content-type": "application/grpc", ...errorTrailers(error) };
}

/** As gRPC wants messages: every byte of the UTF-8 text that is not printable ASCII, and the percent sign, as %XX. */
function percentEncode(text: string): string {
  if (/^[ -$&-~]*$/.test(text)) return text;
  let encoded = "";
  for (const byte of Buffer.from(text)) {
    encoded +=
      byte >= 0x20 && byte <= 0x7e && byte !== 0x25 ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return encoded;
}
