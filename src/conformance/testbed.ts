import type { LoneRunner } from "../engine/local/lone-replica.ts";

/** What the check needs of the world around it. */
export interface Testbed extends LoneRunner {
  /** Resolves after `ms`, or when the signal aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}
