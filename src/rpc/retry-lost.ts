import { StatusError } from "../core/errors.ts";

/** Tries of one call, and the wait before the second; each further wait is twice as long. */
const triesMax = 3;
const firstWaitMs = 250;

/**
 * Makes a call, and makes it again where it or its answer was lost with the connection. Several such
 * calls must have the effect of one, for example because they have one request id.
 */
export async function retryLost<A>(
  call: () => Promise<A>,
  sleep: (ms: number, signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<A> {
  for (let tries = 1; ; tries++) {
    try {
      return await call();
    } catch (error) {
      if (tries === triesMax || !mayBeLost(error) || signal.aborted) throw error;
      await sleep(firstWaitMs * 2 ** (tries - 1), signal);
    }
  }
}

/** An UNAVAILABLE without a reason comes from the connection, not from the controller. */
function mayBeLost(error: unknown): boolean {
  if (!(error instanceof StatusError) || error.code !== "UNAVAILABLE") return false;
  return error.reason === undefined || error.reason === "SHUTTING_DOWN";
}
