import type { LoneRunner } from "../engine/local/lone-replica.ts";

/** What a check needs of the system, apart from the network. */
export interface Testbed extends LoneRunner {
  /** Resolves after `ms`, or when the signal aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}
