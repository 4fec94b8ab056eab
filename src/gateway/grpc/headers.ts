import type { StatusError } from "../../core/errors.ts";
import { modelHeader } from "../../core/metadata-keys.ts";
import { modelNameMax } from "../../core/traffic/model-bounds.ts";
import { codeNumber, detailsKey, encodeStatus } from "../../rpc/status.ts";
import type { HeaderFields } from "../sides.ts";

// HTTP/2's own.
export const methodHeader = ":method";
export const pathHeader = ":path";
export const statusHeader = ":status";

export const timeoutHeader = "grpc-timeout";
/** How a message may be compressed that the gateway itself reads. */
export const acceptedEncodings = "identity,deflate,gzip";

/** The value of a header that comes once; undefined: there is no such header. */
export function headerOf(headers: HeaderFields, name: string): string | undefined {
  const value = headers[name];
  return value === undefined ? undefined : String(value);
}

/** The model that the request needs. Undefined: none, or a name that no replica takes. */
export function modelOf(headers: HeaderFields): string | undefined {
  const model = headerOf(headers, modelHeader);
  return model === undefined || model === "" || model.length > modelNameMax ? undefined : model;
}

/** The gRPC status in headers or trailers; UNKNOWN if they have none. */
export function statusOf(fields: HeaderFields): number {
  const status = fields["grpc-status"];
  return typeof status === "string" && /^\d{1,3}$/.test(status) ? Number(status) : codeNumber.UNKNOWN;
}

/** The trailers of an error. */
export function errorTrailers(error: StatusError): HeaderFields {
  const { code, message, details } = encodeStatus(error);
  const trailers: HeaderFields = { "grpc-status": String(code), "grpc-message": percentEncode(message) };
  if (error.reason === "ENCODING_NOT_SUPPORTED") trailers["grpc-accept-encoding"] = acceptedEncodings;
  if (details !== undefined) trailers[detailsKey] = Buffer.from(details).toString("base64").replace(/=+$/, "");
  return trailers;
}

/** The headers of a response that is nothing but an error. */
export function errorHeaders(error: StatusError): HeaderFields {
  return { [statusHeader]: "200", "content-type": "application/grpc", ...errorTrailers(error) };
}

/**
 * As gRPC wants messages: every byte of the UTF-8 text that is not printable ASCII, and the percent
 * sign, as %XX.
 */
function percentEncode(text: string): string {
  if (/^[ -$&-~]*$/.test(text)) return text;
  let encoded = "";
  for (const byte of Buffer.from(text)) {
    encoded +=
      byte >= 0x20 && byte <= 0x7e && byte !== 0x25 ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return encoded;
}
