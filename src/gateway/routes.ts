import type { Route } from "../core/traffic/route.ts";

/** Where the gateway learns of deployments and their replicas. */
export interface Routes {
  /**
   * The deployment's route. Undefined: there is no such deployment. A deployment without replicas
   * has a route without endpoints.
   */
  get(deployment: string): Route | undefined;
  /** The names of the deployments whose replicas serve this gRPC service. */
  serving(service: string): readonly string[];
  /** All routes. */
  all(): readonly Route[];
  /**
   * Calls `listener` with a deployment's name whenever its route may have changed. Returns the
   * function that unsubscribes.
   */
  onChange(listener: (deployment: string) => void): () => void;
  /**
   * The requests in work of a replica's last report, from callers of any kind. Undefined: no
   * report.
   */
  reported(replicaId: string): number | undefined;
  /**
   * Calls `listener` with each load report of a replica. Returns the function that unsubscribes.
   */
  onReport(listener: (replicaId: string, ongoing: number) => void): () => void;
}
