import type { Http2Server, IncomingHttpHeaders, OutgoingHttpHeaders, ServerHttp2Stream, ServerStreamResponseOptions } from "node:http2";
import { invalid, refusal, type StatusError } from "../core/errors.ts";
import { headerBytesMax, pairBytes } from "../core/traffic/header-rules.ts";
import { detailsKey, encodeStatus } from "./status.ts";
import { parseTimeout } from "./timeout.ts";

/** The longest timer that Node has. A deadline beyond it has no timer. */
const timerMsMax = 2 ** 31 - 1;
/** Says when a call's deadline is that has no timer, in milliseconds since 1970. */
export const farDeadlineKey = "drover-far-deadline";

const timeoutKey = "grpc-timeout";
const encodingKey = "grpc-encoding";
const acceptedEncodings = ["identity", "deflate", "gzip"];
/**
 * grpc-js takes a message that is marked as compressed for a plain one where the call names no
 * encoding. With the name of an encoding that it does not know, it refuses the message instead.
 */
const noEncoding = "drover-no-encoding";

/** What grpc-js reads itself; all other headers are the caller's metadata. */
const ownHeaders = new Set([timeoutKey, encodingKey, "grpc-accept-encoding", "content-type", "te"]);

export interface StreamGuard {
  readonly nowMs: () => number;
  /** Logs that the response metadata of a call cannot be sent; returns the error for the caller. */
  readonly unsendable: (cause: unknown, headers: IncomingHttpHeaders) => StatusError;
}

type Serve = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, flags: number, rawHeaders: readonly string[]) => void;

/**
 * Stands between node:http2 and grpc-js, which listens already, for what grpc-js itself does wrong.
 * Of requests: it takes timeouts modulo 2^32, joins or drops repeated headers, and takes compressed
 * messages for others. Of responses: headers that node:http2 does not send leave a call without an
 * answer, and trailers end the process.
 */
export function guardStreams(http2Server: Http2Server, guard: StreamGuard): void {
  const [serve] = http2Server.listeners("stream") as [Serve];
  http2Server.removeAllListeners("stream");
  http2Server.on("stream", ((stream, headers, flags, rawHeaders) => {
    stream.on("error", ignore); // its end says the same to grpc-js, which listens to the first error only
    const wrong = whyRefused(headers);
    if (wrong !== undefined) return refuse(stream, wrong);
    guardAnswer(stream, (cause) => guard.unsendable(cause, headers));
    serve(stream, forGrpcJs(headers, rawHeaders, guard.nowMs), flags, rawHeaders);
  }) satisfies Serve);
}

const ignore = () => {};

function whyRefused(headers: IncomingHttpHeaders): StatusError | undefined {
  const encoding = headers[encodingKey];
  if (encoding !== undefined && !acceptedEncodings.includes(String(encoding))) {
    const text = `messages cannot be encoded as "${encoding}" here, only as ${acceptedEncodings.join(", ")}`;
    return refusal("ENCODING_NOT_SUPPORTED", text);
  }
  if (!Number.isNaN(timeoutOf(headers))) return undefined;
  return invalid([{ field: timeoutKey, description: "must be 1 to 8 digits and one of HMSmun" }]);
}

function timeoutOf(headers: IncomingHttpHeaders): number | undefined {
  const text = headers[timeoutKey];
  return parseTimeout(text === undefined ? undefined : String(text));
}

/** Answers a call that grpc-js does not get. */
function refuse(stream: ServerHttp2Stream, error: StatusError): void {
  if (stream.destroyed || stream.closed) return; // the caller has left
  stream.respond({ ...responseHeaders, "grpc-accept-encoding": acceptedEncodings.join(), ...trailersOf(error) }, { endStream: true });
  stream.resume(); // what still arrives is dropped
}

const responseHeaders: OutgoingHttpHeaders = { ":status": 200, "content-type": "application/grpc+proto" };

function trailersOf(error: StatusError): OutgoingHttpHeaders {
  const { code, message, details } = encodeStatus(error);
  const trailers: OutgoingHttpHeaders = { "grpc-status": code, "grpc-message": encodeURI(message) };
  if (details !== undefined) trailers[detailsKey] = Buffer.from(details).toString("base64");
  return trailers;
}

/** The headers as grpc-js is to read them: it makes the caller's metadata of them. */
function forGrpcJs(headers: IncomingHttpHeaders, rawHeaders: readonly string[], nowMs: () => number): IncomingHttpHeaders {
  if (rawHeaders.length / 2 > Object.keys(headers).length) {
    for (const [name, values] of repeated(rawHeaders)) headers[name] = values;
  }
  delete headers[farDeadlineKey];
  const timeoutMs = timeoutOf(headers);
  if (timeoutMs !== undefined && timeoutMs > timerMsMax) {
    delete headers[timeoutKey];
    headers[farDeadlineKey] = String(nowMs() + timeoutMs);
  }
  if ((headers[encodingKey] ?? "identity") === "identity") headers[encodingKey] = noEncoding;
  return headers;
}

/** The metadata that came several times, each value by itself. */
function repeated(rawHeaders: readonly string[]): ReadonlyMap<string, string[]> {
  const valuesOf = new Map<string, string[]>();
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const [name, value] = [rawHeaders[at], rawHeaders[at + 1]] as [string, string];
    if (name.startsWith(":") || ownHeaders.has(name)) continue;
    const values = valuesOf.get(name) ?? [];
    // By gRPC's protocol, a comma in a binary header separates values.
    values.push(...(name.endsWith("-bin") ? value.split(/\s*,\s*/) : [value]));
    valuesOf.set(name, values);
  }
  for (const [name, values] of valuesOf) if (values.length === 1) valuesOf.delete(name);
  return valuesOf;
}

/**
 * Answers INTERNAL where node:http2 does not send what grpc-js gives it. Unsendable headers are
 * also thrown, after headers without metadata: their call goes on, and has still to fail.
 */
function guardAnswer(stream: ServerHttp2Stream, unsendable: (cause: unknown) => StatusError): void {
  const respond = stream.respond.bind(stream);
  const sendTrailers = stream.sendTrailers.bind(stream);
  stream.respond = (headers: OutgoingHttpHeaders, options?: ServerStreamResponseOptions) => {
    try {
      respond(checkSize(inOurWords(headers)), options);
    } catch (cause) {
      if (stream.destroyed || stream.closed) return;
      respond(options?.endStream ? { ...responseHeaders, ...trailersOf(unsendable(cause)) } : responseHeaders, options);
      if (!options?.endStream) throw cause;
    }
  };
  stream.sendTrailers = (trailers) => {
    try {
      sendTrailers(checkSize(inOurWords(trailers)));
    } catch (cause) {
      if (!stream.destroyed && !stream.closed) sendTrailers(trailersOf(unsendable(cause)));
    }
  };
}

function checkSize(headers: OutgoingHttpHeaders): OutgoingHttpHeaders {
  let bytes = 0;
  for (const [name, value] of Object.entries(headers)) {
    for (const one of Array.isArray(value) ? value : [value]) bytes += name.length + String(one).length + pairBytes;
  }
  if (bytes > headerBytesMax) throw new Error(`the response metadata has ${bytes} bytes, and at most ${headerBytesMax} are sent`);
  return headers;
}

/** What grpc-js says of a message in its own words, and Drover in others. */
const wordsOfGrpcJs: ReadonlyMap<string, string> = new Map([
  // The only status in which the name comes is the refusal of such a message.
  [noEncoding, `a message is marked as compressed, but the call has no ${encodingKey}`],
  ["Failed%20to%20decompress%20message", `a message is not valid in its ${encodingKey}`],
]);

function inOurWords(headers: OutgoingHttpHeaders): OutgoingHttpHeaders {
  const theirs = String(headers["grpc-message"] ?? "");
  for (const [words, text] of wordsOfGrpcJs) {
    if (theirs.includes(words)) return { ...headers, ...trailersOf(refusal("PROTOCOL_VIOLATION", text)) };
  }
  return headers;
}
