import type { Write } from "../../src/store/store.ts";

/**
 * What a leader decided by a write, without its times and amounts of time: these are by the clock of
 * the leader.
 */
export function decidedBy(write: Write): string {
  if (!("put" in write)) return `deletes ${write.delete} ${write.key}`;
  return `${write.put} ${write.key} ${JSON.stringify(factsOf(write))}`;
}

function factsOf(write: Exclude<Write, { readonly delete: unknown }>): readonly unknown[] {
  switch (write.put) {
    case "replica": {
      const { state, revision, waits, departure, failure, gpuIndexes } = write.value;
      return [state, revision, waits, departure?.kind, failure?.cause.kind, gpuIndexes];
    }
    case "deployment": {
      const { generation, revision, configGeneration, autoscaled, failedRollout, changing } = write.value;
      return [generation, revision, configGeneration, autoscaled?.target, failedRollout?.cause.kind, changing];
    }
    case "progress": {
      const { revision, failedStarts, everRan, everStable, rolloutFailure, settled, healthyRevisions } = write.value;
      return [revision, failedStarts, everRan, everStable, rolloutFailure?.kind, settled, healthyRevisions];
    }
    case "decision":
      return [write.value.source, write.value.bound, write.value.summary];
    case "change":
      return [write.value.id, write.value.step, write.value.replicas.map(({ replicaId, outcome }) => [replicaId, outcome])];
    default:
      return [];
  }
}
