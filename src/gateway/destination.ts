import { invalid, refusal, type StatusError } from "../core/errors.ts";
import { isStandardService } from "../core/traffic/standard-services.ts";
import type { Routes } from "./routes.ts";

const invokeService = "drover.v1.InvokeService";
const invokeMethods: ReadonlySet<string> = new Set(["Invoke", "InvokeServerStream"]);
const elsewhere: ReadonlyMap<string, string> = new Map([
  ["drover.replica.v1.ReplicaService", "is served by replicas, for the controller; call drover.v1.InvokeService here"],
  ["drover.v1.ControllerService", "is served at the controller's API address, not at the gateway"],
]);

/** Where a call goes. */
export type Destination =
  /** The gateway's own services. */
  | { readonly kind: "own" }
  /** A deployment. The request is passed on unchanged. */
  | { readonly kind: "deployment"; readonly deployment: string }
  /** The deployment that the first message names. */
  | { readonly kind: "invoke" }
  | { readonly kind: "refused"; readonly error: StatusError };

/** Decides by the path and the metadata key `drover-deployment`. */
export function destination(path: string, deployment: string | undefined, routes: Pick<Routes, "serving">): Destination {
  const [, service, method] = /^\/([^/]+)\/([^/]+)$/.exec(path) ?? [];
  if (service === undefined || method === undefined)
    return refused(refusal("METHOD_NOT_FOUND", `"${path}" is not the path of a gRPC method`));
  if (service === invokeService) {
    if (!invokeMethods.has(method)) return refused(refusal("METHOD_NOT_FOUND", `${invokeService} has no method ${method}`));
    return { kind: "invoke" };
  }
  const where = elsewhere.get(service);
  if (where !== undefined) return refused(refusal("SERVICE_NOT_FOUND", `${service} ${where}`, { metadata: { service } }));
  // Every replica serves these services too: if a deployment is named, one of its replicas is
  // asked.
  if (deployment === undefined && isStandardService(service)) return { kind: "own" };
  return deployment === undefined ? byService(service, routes) : { kind: "deployment", deployment };
}

function byService(service: string, routes: Pick<Routes, "serving">): Destination {
  const serving = routes.serving(service);
  const [only] = serving;
  if (only === undefined) {
    return refused(refusal("SERVICE_NOT_FOUND", `no deployment behind this gateway serves ${service}`, { metadata: { service } }));
  }
  if (serving.length === 1) return { kind: "deployment", deployment: only };
  const names = [...serving].sort().join(", ");
  const text = `${service} is served by several deployments (${names}): name one in the metadata key drover-deployment`;
  return refused(refusal("AMBIGUOUS_SERVICE", text, { metadata: { service, deployments: names } }));
}

/** The error of an Invoke whose message and metadata name two deployments. */
export function disagreement(inMessage: string, inMetadata: string): StatusError {
  return invalid([{ field: "deployment", description: `is "${inMessage}", but the metadata key drover-deployment says "${inMetadata}"` }]);
}

function refused(error: StatusError): Destination {
  return { kind: "refused", error };
}
