import { refusal } from "../core/errors.ts";
import { authorHeader } from "../core/metadata-keys.ts";
import type { CallContext } from "../rpc/service.ts";
import type { ControllerParts } from "./controller-parts.ts";

const authorCharsMax = 200;

/** The caller's name, from the metadata key `drover-author`; empty: the call has none. */
export function authorOf({ metadata }: CallContext): string {
  return String(metadata.get(authorHeader)[0] ?? "").slice(0, authorCharsMax);
}

/** The caller's name, and a signal that aborts when the work has to end. */
export interface Caller {
  readonly author: string;
  readonly signal: AbortSignal;
}

/**
 * Runs the work of a call. With a request id the work goes on when the caller leaves, until the
 * controller stops: its result is kept for a retry.
 */
export function forCaller<T>(
  { closing }: ControllerParts,
  context: CallContext,
  requestId: string,
  work: (caller: Caller) => Promise<T>,
): Promise<T> {
  const author = authorOf(context);
  const { signal } = context;
  if (requestId === "") return work({ author, signal });
  return new Promise((resolve, reject) => {
    const leave = () => reject(refusal("CANCELLED", "the caller left; the request goes on"));
    signal.addEventListener("abort", leave, { once: true });
    if (signal.aborted) leave();
    work({ author, signal: closing })
      .then(resolve, reject)
      .finally(() => signal.removeEventListener("abort", leave));
  });
}
