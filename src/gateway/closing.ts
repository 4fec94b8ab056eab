import type { Clock } from "../clock/clock.ts";
import type { StatusError } from "../core/errors.ts";
import type { CallsInWork } from "../core/traffic/calls-in-work.ts";

/** How a gateway ends. */
export interface Closing {
  /**
   * How long answers that are on their way to callers may take, ms, and calls of no deployment.
   */
  readonly graceMs: number;
  /** How long calls in work of a deployment may take, ms. Default: `graceMs` for all. */
  readonly graceMsOf?: (deployment: string) => number | undefined;
  /** Ends all grace at once when it aborts. Default: never. */
  readonly hastened?: AbortSignal | undefined;
}

/** A call that is not over, as its gateway sees it. */
export interface OpenCall {
  /** Undefined: not known yet, or the call is for the gateway itself. */
  readonly deployment: string | undefined;
  readonly atReplica: boolean;
  fail(error: StatusError): void;
}

/** What a gateway that closes waits for: the calls at replicas by deployment, the longest grace first. */
export function callsInWork(calls: Iterable<OpenCall>, { graceMs, graceMsOf = () => graceMs }: Closing): readonly CallsInWork[] {
  const counts = new Map<string, number>();
  for (const { deployment, atReplica } of calls)
    if (atReplica && deployment !== undefined) counts.set(deployment, (counts.get(deployment) ?? 0) + 1);
  return [...counts]
    .map(([deployment, calls]) => ({ deployment, calls, graceMs: graceMsOf(deployment) ?? graceMs }))
    .sort((a, b) => b.graceMs - a.graceMs);
}

/**
 * Calls `end` for each deployment when its grace is over, and `endAll` when the last grace is over
 * or is cut short. The result takes back what is not done yet.
 */
export function afterGrace(
  work: readonly CallsInWork[],
  { graceMs, hastened }: Closing,
  clock: Clock,
  { end, endAll }: { readonly end: (deployment: string) => void; readonly endAll: () => void },
): () => void {
  const longestMs = Math.max(graceMs, ...work.map((one) => one.graceMs));
  const timers = [...work.map((one) => clock.after(one.graceMs, () => end(one.deployment))), clock.after(longestMs, () => finish())];
  const stop = () => {
    for (const cancel of timers) cancel();
    hastened?.removeEventListener("abort", finish);
  };
  const finish = () => {
    stop();
    endAll();
  };
  if (hastened?.aborted) finish();
  else hastened?.addEventListener("abort", finish);
  return stop;
}
