import { StatusError } from "../core/errors.ts";
import { Progress } from "./progress.ts";
import type { Session } from "./session.ts";
import { watchDeployments } from "./watch.ts";

/** A call that takes less time shows nothing. */
const quickMs = 400;

/**
 * Returns the result of the call, and shows the deployment's progress while the call lasts. A watch
 * that fails changes nothing.
 */
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
    // The call itself fails, too, and says why.
  }
}

/** Resolves after `quickMs`. The deadline of a watch is the timer, as the CLI has no clock. */
async function quickOver(session: Session, name: string, signal: AbortSignal): Promise<void> {
  try {
    for await (const _ of watchDeployments(session, [name], { timeoutMs: quickMs, signal }));
  } catch (error) {
    if (!(error instanceof StatusError && error.code === "DEADLINE_EXCEEDED")) throw error;
  }
}
