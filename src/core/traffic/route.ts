import type { DeploymentRecord, ProgressRecord } from "../deployment.ts";
import { messageBytesMaxOf } from "../message-bounds.ts";
import { isFailing, type ReplicaRecord } from "../replica.ts";

/** A replica that gets requests. */
export interface Endpoint {
  readonly replicaId: string;
  /** `unix:/path` or `host:port`. */
  readonly address: string;
  /**
   * Whether it serves `drover.v1.InvokeService`: the program's methods can be called without a
   * proto.
   */
  readonly invocable: boolean;
  /** The models that it has loaded or is loading, as it last reported. Absent: it reports none. */
  readonly models?: readonly string[];
  /** How many models it holds at most. Absent: it does not say. */
  readonly maxModels?: number;
}

/**
 * Why a deployment without a replica will not have one soon: it wants none, or its rollout has
 * failed.
 */
export type NoReplicaExpected = "noneWanted" | "rolloutFailed";

/** What a gateway needs to know of a deployment. A value: it does not change after it was made. */
export interface Route {
  readonly deployment: string;
  readonly endpoints: readonly Endpoint[];
  /**
   * Replicas that are replaced because they do not work, and that say nothing: their requests are
   * lost. Absent: none.
   */
  readonly givenUp?: readonly string[];
  /** The full names of the gRPC services of its replicas, without Drover's own. */
  readonly services: readonly string[];
  readonly maxOngoingRequests: number;
  /** Undefined: no bound. */
  readonly maxQueuedRequests: number | undefined;
  /** The largest message that its replicas take or send, in bytes. */
  readonly messageBytesMax: number;
  /** Undefined: no bound. */
  readonly requestTimeoutMs: number | undefined;
  /**
   * How long the start of a first replica may take, for a deployment that scales to zero. Unset: it
   * never scales to zero.
   */
  readonly coldStartMs?: number;
  /** Set: no replica runs or is expected soon, for this reason. */
  readonly noReplicaExpected?: NoReplicaExpected;
}

/** What is known from the connection to a replica, as far as a route depends on it. */
export interface RoutableContact {
  /** Whether requests can be sent to it now. */
  readonly routable: boolean;
  /** Whether it says nothing at all. */
  readonly silent: boolean;
  readonly invocable: boolean;
  readonly services: readonly string[];
  /** As in {@link Endpoint}. */
  readonly models?: readonly string[] | undefined;
  readonly maxModels?: number | undefined;
}

export interface RouteInput {
  readonly deployment: DeploymentRecord;
  readonly progress: ProgressRecord | undefined;
  readonly replicas: readonly ReplicaRecord[];
  readonly contact: (replicaId: string) => RoutableContact;
  /**
   * The services its replicas served last. With them a call waits, and does not fail, while no
   * replica runs.
   */
  readonly servicesBefore: readonly string[];
  /** The controller's bound on messages, in bytes. */
  readonly messageBytesMax: number;
}

/** Where requests to a deployment go now. */
export function routeOf({ deployment, progress, replicas, contact, servicesBefore, messageBytesMax }: RouteInput): Route {
  const { spec } = deployment;
  const routable = replicas.flatMap(({ id, state, address }) => {
    const known = contact(id);
    return state === "RUNNING" && known.routable && address !== undefined ? { replicaId: id, address, known } : [];
  });
  const givenUp = replicas.flatMap((replica) =>
    replica.state === "DRAINING" && isFailing(replica) && contact(replica.id).silent ? replica.id : [],
  );
  const reason = noReplicaReason(deployment, progress, replicas);
  return {
    deployment: spec.name,
    endpoints: routable.map(({ replicaId, address, known: { invocable, models, maxModels } }) => ({
      ...{ replicaId, address, invocable },
      ...(models !== undefined && { models }),
      ...(maxModels !== undefined && { maxModels }),
    })),
    ...(givenUp.length > 0 && { givenUp }),
    services: routable.length === 0 ? servicesBefore : [...new Set(routable.flatMap(({ known }) => known.services))],
    maxOngoingRequests: spec.maxOngoingRequests,
    maxQueuedRequests: spec.maxQueuedRequests,
    messageBytesMax: messageBytesMaxOf(spec, messageBytesMax),
    requestTimeoutMs: spec.requestTimeoutMs === 0 ? undefined : spec.requestTimeoutMs,
    ...(spec.autoscalingConfig?.minReplicas === 0 && { coldStartMs: spec.startupTimeoutMs }),
    ...(reason !== undefined && { noReplicaExpected: reason }),
  };
}

/** Why no replica is expected soon. Undefined: a replica runs, starts, or will start. */
function noReplicaReason(
  { spec: { autoscalingConfig, numReplicas }, revision }: DeploymentRecord,
  progress: ProgressRecord | undefined,
  replicas: readonly ReplicaRecord[],
): NoReplicaExpected | undefined {
  if (replicas.some(({ state }) => state === "STARTING" || state === "RUNNING")) return undefined;
  if (autoscalingConfig === undefined && numReplicas === 0) return "noneWanted";
  // A revision that was stable comes back as soon as it can.
  const failed = progress?.revision === revision && progress.rolloutFailure !== undefined && !progress.everStable;
  return failed ? "rolloutFailed" : undefined;
}
