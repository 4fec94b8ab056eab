/** A replica that may get requests. */
export interface Endpoint {
  readonly replicaId: string;
  /** `unix:/path` or `host:port`. */
  readonly address: string;
  /** Serves `drover.v1.ReplicaService`, so that `Invoke` can be sent to it. */
  readonly invocable: boolean;
  /** Requests it reported to be in work, from callers of any kind; undefined: it has not reported. */
  readonly reportedOngoing: number | undefined;
}

/** A deployment as the gateway needs to know it. */
export interface Route {
  readonly deployment: string;
  readonly endpoints: readonly Endpoint[];
  /** The full names of the gRPC services its replicas serve beside Drover's own. */
  readonly services: readonly string[];
  readonly maxOngoingRequests: number;
  /** -1: no bound. */
  readonly maxQueuedRequests: number;
  /** 0: no bound. */
  readonly requestTimeoutMs: number;
  /** How long a first replica may take to start, where there may be none; unset: there always is to be one. */
  readonly coldStartMs?: number;
  /** No replica runs, and why none is to be expected soon, such as `its rollout has failed`. */
  readonly hopeless?: string;
}

/** Where the gateway learns whom it may ask. */
export interface Routes {
  /** The deployment's route; undefined: there is no such deployment. A deployment without replicas has a route without endpoints. */
  get(deployment: string): Route | undefined;
  /** The names of the deployments whose replicas serve this gRPC service. */
  serving(service: string): readonly string[];
  /** All routes. */
  all(): readonly Route[];
  /** Calls `listener` whenever a route may have changed: the name of its deployment. The answer unsubscribes. */
  onChange(listener: (deployment: string) => void): () => void;
}

/** What the gateway tells of its own work. */
export interface GatewayLoad {
  /** Requests of a deployment that wait for a replica. */
  queued(deployment: string): number;
  /** Requests the gateway has given to a replica and that have not ended. */
  ongoing(replicaId: string): number;
  /** Requests that a replica ended since it is in the routes: with OK, and otherwise. */
  ended(replicaId: string): { readonly completed: number; readonly failed: number };
}
