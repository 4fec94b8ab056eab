import type { Clock } from "../clock/clock.ts";

/** How long a model may take to close, before another one takes its place. */
export const modelCloseMs = 30_000;

/**
 * Calls and awaits a model's method `close`, if it has one. Never rejects: `log` gets what went wrong.
 */
export async function unloadModel(model: unknown, clock: Clock, log: (line: string) => void): Promise<void> {
  const ended = new AbortController();
  const closing = closeOf(model).then(
    () => ended.abort(),
    (error: unknown) => {
      log(`a model could not be closed; another one takes its place: ${textOf(error)}\n`);
      ended.abort();
    },
  );
  await Promise.race([closing, clock.sleep(modelCloseMs, ended.signal)]);
  if (!ended.signal.aborted) log(`a model has not closed after ${modelCloseMs / 1_000} s; another one takes its place\n`);
}

async function closeOf(model: unknown): Promise<void> {
  await (model as { close?: () => unknown } | undefined)?.close?.();
}

/** A program may throw anything, also what has no text. */
function textOf(error: unknown): string {
  try {
    return String(error instanceof Error ? error.stack : error);
  } catch {
    return "an error without a text";
  }
}
