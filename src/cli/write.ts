import { retryLost } from "../rpc/retry-lost.ts";
import type { CallOptions } from "../rpc/service.ts";
import { callMs, type Session } from "./session.ts";

/**
 * Makes a call that writes, with a new request id. Where the answer is lost with the connection, it
 * calls again: by the id the controller knows that it is the same request, so it has one effect.
 */
export function write<A>(session: Session, call: (requestId: string, options: CallOptions) => Promise<A>, deadlineMs = callMs): Promise<A> {
  const { io } = session;
  const requestId = io.newId();
  return retryLost(
    () => call(requestId, session.within(deadlineMs)),
    (ms, signal) => io.sleep(ms, signal),
    io.interrupted,
  );
}
