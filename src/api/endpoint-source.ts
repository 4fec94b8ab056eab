import type { Route } from "../core/traffic/route.ts";

/** Where the API learns where requests can go, as a gateway does (`gateway/routes.ts`). */
export interface EndpointSource {
  /** Undefined: there is no such deployment. A new state is a new value. */
  get(deployment: string): Route | undefined;
  /** Calls `listener` when a route may have changed. Returns the function that unsubscribes. */
  onChange(listener: (deployment: string) => void): () => void;
}
