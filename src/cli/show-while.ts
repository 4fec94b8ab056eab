import { StatusError } from "../core/errors.ts";
import { Progress } from "./progress.ts";
import type { Session } from "./session.ts";
import { watchDeployments } from "./watch.ts";

/** What is over sooner shows nothing. */
const quickMs = 400;

/** What the call gives; while it lasts, how the deployment is. The answer is never later for it, and a watch that fails is no failure. */
export async function showWhile<T>(session: Session, name: string, call: Promise<T>): Promise<T> {
  const over = new AbortController();
  const progress = new Progress(session.io.stderr, session.errorColors, () => session.io.nowMs());
  void show(session, name, progress, over.signal);
  try {
    return await call;
  } finally {
    over.abort();
    progress.clear();
  }
}

async function show(session: Session, name: string, progress: Progress, over: AbortSignal): Promise<void> {
  const signal = AbortSignal.any([over, session.io.interrupted]);
  try {
    await quickOver(session, name, signal);
    for await (const { deployments } of watchDeployments(session, [name], { signal })) {
      const now = deployments.get(name);
      if (now && !over.aborted) progress.show(now);
    }
  } catch {
    // The call itself says what is wrong.
  }
}

/** Resolves after `quickMs`: the deadline of a watch that nobody looks at is the timer, for there is no other in this room. */
async function quickOver(session: Session, name: string, signal: AbortSignal): Promise<void> {
  try {
    for await (const _ of watchDeployments(session, [name], { timeoutMs: quickMs, signal }));
  } catch (error) {
    if (!(error instanceof StatusError && error.code === "DEADLINE_EXCEEDED")) throw error;
  }
}
