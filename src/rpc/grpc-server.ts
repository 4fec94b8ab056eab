import type { ServerOptions as Http2Options, Http2Server, IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { type ChannelOptions, Server, type ServerCredentials } from "@grpc/grpc-js";
import { headerBytesMax, pairBytes } from "../core/traffic/header-rules.ts";
import { guardStreams, type StreamGuard } from "./guarded-streams.ts";

/** After so long the server asks whether a peer is still there, and so long it waits for the answer. */
export const pingMs = 60_000;
export const pingAnswerMs = 60_000;

/**
 * The largest headers of a call that a server reads, as HTTP/2 counts them: more than the gateway
 * takes from a caller, and what it adds.
 */
const headerReadBytesMax = 2 * headerBytesMax;

/**
 * How much of one message a peer sends before it waits for the reader. HTTP/2's 64 KiB would have a
 * message of 600 KB wait nine times. Node returns the window of a connection as data arrives, so that
 * stays as it is: a larger one, set by `setLocalWindowSize`, was seen to stop a connection for good.
 */
export const messageWindowBytes = 1024 * 1024;

/**
 * The parts of grpc-js's server that are not in its types. Drover uses these and no others, and only
 * in this file. A test holds each of them.
 */
interface Inside {
  /** What every http2 server is created with: grpc-js has no options for the bounds of headers. */
  commonServerOptions: Http2Options;
  /** Its own takes every type that begins with `application/grpc`, and refuses with an empty body. */
  _verifyContentType(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): boolean;
  /** Each http2 server is created here, with grpc-js as its listener; nothing else gives access to it. */
  createHttp2Server(credentials: ServerCredentials): Http2Server;
}

/** Whether a content type is gRPC's over HTTP/2; `application/grpc-web` is not. */
export function isGrpc(contentType: string | undefined): boolean {
  return contentType !== undefined && /^application\/grpc(?:[+;]|$)/.test(contentType);
}

/** The answer to a call that is no gRPC, in plain HTTP. */
export const notGrpc = { status: 415, text: "this is a gRPC server: content-type application/grpc\n" } as const;

/**
 * A server of grpc-js that finds dead peers, takes more metadata, refuses what is not gRPC, and has a
 * guard before each of its streams.
 */
export function grpcServer(options: ChannelOptions, guard: StreamGuard): Server {
  const server = new Server({ "grpc.keepalive_time_ms": pingMs, "grpc.keepalive_timeout_ms": pingAnswerMs, ...options });
  const inside = server as unknown as Inside;
  Object.assign(inside.commonServerOptions, {
    strictSingleValueFields: false,
    strictFieldWhitespaceValidation: false,
    maxHeaderListPairs: headerReadBytesMax / pairBytes,
    settings: { ...inside.commonServerOptions.settings, maxHeaderListSize: headerReadBytesMax, initialWindowSize: messageWindowBytes },
  });
  inside._verifyContentType = (stream, headers) => {
    if (isGrpc(headers["content-type"])) return true;
    stream.respond({ ":status": notGrpc.status, "content-type": "text/plain; charset=utf-8" });
    stream.end(notGrpc.text);
    return false;
  };
  const create = inside.createHttp2Server.bind(server);
  inside.createHttp2Server = (credentials) => {
    const http2Server = create(credentials);
    guardStreams(http2Server, guard);
    return http2Server;
  };
  return server;
}
