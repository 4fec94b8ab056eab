import type { DeploymentRecord, ProgressRecord } from "../deployment.ts";
import type { ReplicaRecord } from "../replica.ts";

/** A replica that may get requests. */
export interface Endpoint {
  readonly replicaId: string;
  /** `unix:/path` or `host:port`. */
  readonly address: string;
  /** Serves `drover.v1.InvokeService`: its program has methods that can be called without a proto. */
  readonly invocable: boolean;
}

/** Why a deployment without a replica is not expected to have one soon: it wants none, or its rollout has failed. */
export type NoReplicaExpected = "noneWanted" | "rolloutFailed";

/** A deployment as a gateway needs to know it. A value: it says what was so when it was made. */
export interface Route {
  readonly deployment: string;
  readonly endpoints: readonly Endpoint[];
  /** The full names of the gRPC services its replicas serve besides Drover's own. */
  readonly services: readonly string[];
  readonly maxOngoingRequests: number;
  /** Undefined: no bound. */
  readonly maxQueuedRequests: number | undefined;
  /** 0: no bound. */
  readonly requestTimeoutMs: number;
  /** How long a first replica may take to start, where there may be none; unset: there always is to be one. */
  readonly coldStartMs?: number;
  /** No replica runs, and why none is to be expected soon. */
  readonly hopeless?: NoReplicaExpected;
}

/** What is known by talking to a replica, as far as a route depends on it. */
export interface RoutableContact {
  /** Whether it can be given requests now. */
  readonly routable: boolean;
  readonly invocable: boolean;
  readonly services: readonly string[];
}

export interface RouteInput {
  readonly deployment: DeploymentRecord;
  readonly progress: ProgressRecord | undefined;
  readonly replicas: readonly ReplicaRecord[];
  readonly contact: (replicaId: string) => RoutableContact;
  /** The services its replicas served last, so that a call waits, and does not fail, while none of them runs. */
  readonly servicesBefore: readonly string[];
}

/** Where requests to a deployment may go now. */
export function routeOf({ deployment, progress, replicas, contact, servicesBefore }: RouteInput): Route {
  const { spec } = deployment;
  const routable = replicas.flatMap(({ id, state, address }) => {
    const known = contact(id);
    return state === "RUNNING" && known.routable && address !== undefined ? { replicaId: id, address, known } : [];
  });
  const reason = hopelessReason(deployment, progress, replicas);
  return {
    deployment: spec.name,
    endpoints: routable.map(({ replicaId, address, known }) => ({ replicaId, address, invocable: known.invocable })),
    services: routable.length === 0 ? servicesBefore : [...new Set(routable.flatMap(({ known }) => known.services))],
    maxOngoingRequests: spec.maxOngoingRequests,
    maxQueuedRequests: spec.maxQueuedRequests,
    requestTimeoutMs: spec.requestTimeoutMs,
    ...(spec.autoscalingConfig?.minReplicas === 0 && { coldStartMs: spec.startupTimeoutMs }),
    ...(reason !== undefined && { hopeless: reason }),
  };
}

/** Why no replica is to be expected soon; undefined: one runs, starts, or will. */
function hopelessReason(
  { spec: { autoscalingConfig, numReplicas }, revision }: DeploymentRecord,
  progress: ProgressRecord | undefined,
  replicas: readonly ReplicaRecord[],
): NoReplicaExpected | undefined {
  if (replicas.some(({ state }) => state === "STARTING" || state === "RUNNING")) return undefined;
  if (autoscalingConfig === undefined && numReplicas === 0) return "noneWanted";
  // A revision that ran well comes back as soon as it can.
  const failed = progress?.revision === revision && progress.rolloutFailure !== undefined && !progress.everStable;
  return failed ? "rolloutFailed" : undefined;
}
