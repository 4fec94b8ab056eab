/** Bytes of one stream that may be under way, each direction. */
export const streamWindowBytes = 1024 * 1024;
/** Bytes of one connection that may be under way, each direction. */
export const connectionWindowBytes = 16 * 1024 * 1024;
/** The largest headers a call may have, as HTTP/2 counts them. */
export const headerBytesMax = 64 * 1024;
/**
 * The largest headers the gateway sends: those of a call and a little more, which are never held to
 * be too large to send.
 */
export const headerSendBytesMax = 16 * headerBytesMax;
/**
 * What node:http2 may hold for one connection before it refuses streams, in its unit: megabytes.
 */
export const sessionMemoryMb = 512;
