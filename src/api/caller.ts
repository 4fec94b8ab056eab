import { refusal } from "../core/errors.ts";
import type { CallContext } from "../rpc/service.ts";
import type { ControllerParts } from "./controller-parts.ts";

const authorCharsMax = 200;

/** Who calls, by what they say of themselves; empty: nothing. */
export function authorOf({ metadata }: CallContext): string {
  return String(metadata.get("drover-author")[0] ?? "").slice(0, authorCharsMax);
}

/** Who calls, and as long as the answer is waited for. */
export interface Caller {
  readonly author: string;
  readonly signal: AbortSignal;
}

/**
 * Does what a call asks for. Under a request id it goes on where the caller leaves, until the controller stops: what it comes to is kept
 * for a retry.
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
    const leave = () => reject(refusal("CANCELLED", "the caller left; what it asked for goes on"));
    signal.addEventListener("abort", leave, { once: true });
    if (signal.aborted) leave();
    work({ author, signal: closing })
      .then(resolve, reject)
      .finally(() => signal.removeEventListener("abort", leave));
  });
}
