import type { ProgressRecord } from "./deployment.ts";
import type { ReplicaRecord } from "./replica.ts";

/**
 * The newest time that leaders have written to these records and compare with others. Minus
 * infinity: none. A retry that is put off does not count: its time lies in the future.
 */
export function newestTimeMs(replicas: Iterable<ReplicaRecord>, progresses: Iterable<ProgressRecord>): number {
  let newestMs = Number.NEGATIVE_INFINITY;
  for (const { createdAtMs, sinceMs } of replicas) newestMs = Math.max(newestMs, createdAtMs, sinceMs);
  for (const { progressedAtMs, failedAtMs = 0 } of progresses) newestMs = Math.max(newestMs, progressedAtMs, failedAtMs);
  return newestMs;
}
