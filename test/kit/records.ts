import type { DeploymentRecord, DeploymentSpec, ProgressRecord } from "../../src/core/deployment.ts";
import type { ReplicaRecord } from "../../src/core/replica.ts";
import { defaultRollout } from "../../src/core/rollout-policy.ts";
import { upgraded } from "../../src/store/upgrade.ts";

/** A valid spec with the default of every field but a few. */
export const spec: DeploymentSpec = {
  name: "app",
  version: "1",
  program: { kind: "command", argv: ["app"] },
  initArgs: {},
  runtimeEnv: { workingDir: "", envVars: {}, npm: [], pip: [] },
  numReplicas: 3,
  resources: { cpuMilli: 1000, gpuMilli: 0, memoryBytes: 0 },
  maxOngoingRequests: 5,
  healthCheck: { periodMs: 10_000, timeoutMs: 30_000, failureThreshold: 3 },
  gracefulShutdownTimeoutMs: 20_000,
  startupTimeoutMs: 60_000,
  requestTimeoutMs: 0,
  labels: {},
  rollout: defaultRollout,
};

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
