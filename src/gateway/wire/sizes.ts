import { headerBytesMax, headerPairsMax } from "../../core/traffic/header-rules.ts";

/** Calls that one connection may have open. */
export const callsPerConnectionMax = 1_000;
/**
 * Bytes of a request that a caller may send unasked. With {@link callsPerConnectionMax}, a connection
 * makes the gateway hold 250 MiB at most.
 */
export const callerWindowBytes = 256 * 1024;
/**
 * Bytes of a response that a replica may send unasked. It bounds what the gateway holds for a caller
 * that does not read. Replicas are near, so it does not slow down a caller that does.
 */
export const replicaWindowBytes = 128 * 1024;
/** Bytes of one connection that may be under way, each direction. */
export const connectionWindowBytes = 16 * 1024 * 1024;
/**
 * The largest headers that are read, as HTTP/2 counts them, and the most pairs. They are far above
 * what a call may have, so that a call with more is answered with a status: node:http2 resets a
 * call that exceeds these, with ENHANCE_YOUR_CALM.
 */
export const headerReadBytesMax = 16 * headerBytesMax;
const headerReadPairsMax = 4 * headerPairsMax;
/** The bounds of headers for node:http2. What it reads is never too large for it to send. */
export const headerLimits = {
  maxHeaderListPairs: headerReadPairsMax,
  maxSendHeaderBlockLength: 2 * headerReadBytesMax,
  // Whatever the name, values of one name pass as they came.
  strictSingleValueFields: false,
  // Otherwise a value with a blank at one of its ends is dropped, without an error.
  strictFieldWhitespaceValidation: false,
};
/**
 * What node:http2 may hold for one connection before it refuses streams, in its unit: megabytes.
 */
export const sessionMemoryMb = 512;
