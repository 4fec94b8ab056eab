import type { ServerOptions as Http2Options, IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { type ChannelOptions, Server } from "@grpc/grpc-js";
import { headerBytesMin, metadataBytesMax } from "./call-metadata.ts";

/** After so long the server asks whether a peer is still there, and so long it waits for the answer. */
export const pingMs = 60_000;
export const pingAnswerMs = 60_000;

/**
 * The largest headers of a call that a server reads, as HTTP/2 counts them: more than the gateway
 * takes from a caller, and what it adds.
 */
const headerBytesMax = 2 * metadataBytesMax;

/** The parts of grpc-js's server that its options do not reach. A test holds each of them. */
interface Inside {
  commonServerOptions: Http2Options;
  _verifyContentType(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): boolean;
}

/** Whether a content type is gRPC's over HTTP/2; `application/grpc-web` is not. */
export function isGrpc(contentType: string | undefined): boolean {
  return contentType !== undefined && /^application\/grpc(?:[+;]|$)/.test(contentType);
}

/** The answer to a call that is no gRPC, in plain HTTP. */
export const notGrpc = { status: 415, text: "this is a gRPC server: content-type application/grpc\n" } as const;

/** A server of grpc-js that finds dead peers, takes more metadata, and refuses what is not gRPC. */
export function grpcServer(options: ChannelOptions): Server {
  const server = new Server({ "grpc.keepalive_time_ms": pingMs, "grpc.keepalive_timeout_ms": pingAnswerMs, ...options });
  const inside = server as unknown as Inside;
  Object.assign(inside.commonServerOptions, {
    strictSingleValueFields: false,
    maxHeaderListPairs: headerBytesMax / headerBytesMin,
    settings: { ...inside.commonServerOptions.settings, maxHeaderListSize: headerBytesMax },
  });
  inside._verifyContentType = (stream, headers) => {
    if (isGrpc(headers["content-type"])) return true;
    stream.respond({ ":status": notGrpc.status, "content-type": "text/plain; charset=utf-8" });
    stream.end(notGrpc.text);
    return false;
  };
  return server;
}
