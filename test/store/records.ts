import type { DeploymentRecord, ProgressRecord } from "../../src/core/deployment.ts";
import type { ReplicaRecord } from "../../src/core/replica.ts";

/** A record as the store sees it: any JSON, told apart by `mark`. */
export function deploymentRecord(mark: string): DeploymentRecord {
  return { uid: mark } as Partial<DeploymentRecord> as DeploymentRecord;
}

export function progressRecord(mark: string): ProgressRecord {
  return { uid: mark } as Partial<ProgressRecord> as ProgressRecord;
}

export function replicaRecord(id: string, deployment: string, mark = ""): ReplicaRecord {
  return { id, deployment, message: mark } as Partial<ReplicaRecord> as ReplicaRecord;
}
