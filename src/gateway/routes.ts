import type { Route } from "../core/traffic/route.ts";

/** Where the gateway learns whom it may ask. */
export interface Routes {
  /** The deployment's route; undefined: there is no such deployment. A deployment without replicas has a route without endpoints. */
  get(deployment: string): Route | undefined;
  /** The names of the deployments whose replicas serve this gRPC service. */
  serving(service: string): readonly string[];
  /** All routes. */
  all(): readonly Route[];
  /** Calls `listener` whenever a route may have changed, with the name of its deployment. The answer unsubscribes. */
  onChange(listener: (deployment: string) => void): () => void;
  /** Requests in work that a replica reported last, from callers of any kind; undefined: it has not reported. */
  reported(replicaId: string): number | undefined;
  /** Calls `listener` with each load report of a replica. The answer unsubscribes. */
  onReport(listener: (replicaId: string, ongoing: number) => void): () => void;
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
