import type { CallContext } from "./service.ts";

/**
 * Runs around every call of a server. `next()` runs the whole call: it resolves after the last
 * message was written, and rejects with the call's error. An interceptor that throws before
 * `next()` refuses the call; one that throws afterwards replaces the error. The status is sent when
 * the outermost interceptor is done.
 */
export type Interceptor = (context: CallContext, next: () => Promise<void>) => Promise<void>;

/**
 * Runs `work` inside the interceptors, the first outermost. Rejects with the error that the caller
 * gets.
 */
export async function runThrough(interceptors: readonly Interceptor[], context: CallContext, work: () => Promise<void>): Promise<void> {
  let state: "waiting" | "begun" | "done" | "failed" = "waiting";
  let failure: unknown;
  const run = async () => {
    if (state !== "waiting") throw new Error("an interceptor called next twice");
    state = "begun";
    try {
      await work();
      state = "done";
    } catch (error) {
      failure = error;
      state = "failed";
      throw error;
    }
  };
  const enter = async (index: number): Promise<void> => {
    const interceptor = interceptors[index];
    if (interceptor === undefined) return run();
    await interceptor(context, () => {
      const rest = enter(index + 1);
      rest.catch(() => {}); // an interceptor that does not await it must not end the process
      return rest;
    });
  };
  await enter(0);
  // An interceptor cannot make a failed call succeed: the call has no response.
  switch (state as string) {
    case "failed":
      throw failure;
    case "done":
      return;
    default:
      throw new Error("an interceptor returned before the call was over");
  }
}
