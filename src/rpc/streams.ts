import type { Duplex, EventEmitter, Readable, Writable } from "node:stream";

/**
 * The messages that arrive in a call, at its client or server. A loop that breaks leaves the stream
 * as it is, so that the call can still be answered; the built-in iterator would destroy it. Throws
 * the result of `failure` once there is no more to read, and the reason of `signal` at once.
 */
export async function* incoming<T>(
  stream: Readable | Duplex,
  failure: () => Error | undefined,
  signal?: AbortSignal,
): AsyncGenerator<T, void> {
  for (;;) {
    signal?.throwIfAborted();
    const message: T | null = stream.read();
    if (message !== null) {
      yield message;
      continue;
    }
    const error = failure();
    if (error !== undefined) throw error;
    if (stream.readableEnded) return;
    // Nothing is awaited between `read` and here, so no event is missed.
    await nextOf(stream, readingEvents, signal);
  }
}

/**
 * Bounds how many messages are read before the loop over {@link incoming} asks for them. Node has it
 * as an option of streams, but grpc-js makes this one with 16, whatever the size of the messages.
 */
export function boundReadAhead(stream: Readable | Duplex, messagesMax: number): void {
  (stream as unknown as { readonly _readableState: { highWaterMark: number } })._readableState.highWaterMark = messagesMax;
}

const readingEvents = ["readable", "end", "close", "error", "status"] as const;
const endingEvents = ["close", "error", "status"] as const;
const writingEvents = ["drain", "close", "error", "status"] as const;

/** Resolves when a full stream takes messages again, or when there is no more reason to wait. */
export function drained(stream: Writable | Duplex, signal?: AbortSignal): Promise<void> {
  return nextOf(stream, writingEvents, signal);
}

/** Writes a message. Resolves when it has gone out, or when there is no more reason to wait. */
export async function written(stream: Writable | Duplex, message: unknown, signal?: AbortSignal): Promise<void> {
  const gone = new Promise<void>((resolve) => stream.write(message, () => resolve()));
  const over = new AbortController();
  const either = signal === undefined ? over.signal : AbortSignal.any([signal, over.signal]);
  await Promise.race([gone, nextOf(stream, endingEvents, either)]);
  over.abort();
}

function nextOf(emitter: EventEmitter, events: readonly string[], signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      for (const event of events) emitter.off(event, done);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    for (const event of events) emitter.on(event, done);
    signal?.addEventListener("abort", done);
  });
}
