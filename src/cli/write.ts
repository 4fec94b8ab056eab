import { mayBeLost } from "../rpc/may-be-lost.ts";
import type { CallOptions } from "../rpc/service.ts";
import { callMs, type Session } from "./session.ts";

/** Tries of one write, and the wait before the second; each further wait is twice as long. */
const triesMax = 3;
const retryFirstMs = 250;

/**
 * Makes a call that writes, with a new request id. Where the answer is lost with the connection, it
 * calls again: by the id the controller knows that it is the same request, so it has one effect.
 */
export async function write<A>(
  session: Session,
  call: (requestId: string, options: CallOptions) => Promise<A>,
  deadlineMs = callMs,
): Promise<A> {
  const { io } = session;
  const requestId = io.newId();
  for (let tries = 1; ; tries++) {
    try {
      return await call(requestId, session.within(deadlineMs));
    } catch (error) {
      if (tries === triesMax || !mayBeLost(error) || io.interrupted.aborted) throw error;
      await io.sleep(retryFirstMs * 2 ** (tries - 1), io.interrupted);
    }
  }
}
