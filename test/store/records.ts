import type { DeploymentRecord, ProgressRecord } from "../../src/core/deployment.ts";
import type { ReplicaRecord } from "../../src/core/replica.ts";
import { upgraded } from "../../src/store/upgrade.ts";

/** A record as the store sees it: any JSON, told apart by `mark`, with the fields that every record has. */
export function deploymentRecord(mark: string): DeploymentRecord {
  return upgraded("deployment", { uid: mark, configGeneration: 1 } as Partial<DeploymentRecord> as DeploymentRecord);
}

export function progressRecord(mark: string): ProgressRecord {
  return upgraded("progress", { uid: mark, everRan: true } as Partial<ProgressRecord> as ProgressRecord);
}

export function replicaRecord(id: string, deployment: string, mark = ""): ReplicaRecord {
  return { id, deployment, token: mark } as Partial<ReplicaRecord> as ReplicaRecord;
}
