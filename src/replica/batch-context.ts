import { realRandom } from "../clock/real.ts";
import { modelHeader } from "../core/metadata-keys.ts";
import type { RequestContext, RequestMetadata } from "../rpc/request-context.ts";
import type { RequestInWork } from "../rpc/request-in-work.ts";

const idLength = 12;

/**
 * What a batch of requests works for: a request of its own, whose caller leaves when all callers
 * have left, and whose deadline is their last. `signal` aborts then. Undefined: it is for none.
 */
export function batchInWork(requests: readonly RequestInWork[], signal: AbortSignal): RequestInWork | undefined {
  const [first] = requests;
  if (first === undefined) return undefined;
  const { model, method, replicaId, deployment, revision } = first.context;
  const deadlines = requests.map(({ context }) => context.deadlineMs);
  const deadlineMs = Math.max(...deadlines.map((one) => one ?? Number.POSITIVE_INFINITY));
  const context: RequestContext = {
    ...{ signal, model, method, replicaId, deployment, revision },
    deadlineMs: deadlineMs === Number.POSITIVE_INFINITY ? undefined : deadlineMs,
    metadata: onlyModel(model),
    requestId: realRandom.id(idLength),
  };
  return { context, forwardMetadata: first.forwardMetadata, isOver: false, ends: [] };
}

function onlyModel(model: string | undefined): RequestMetadata {
  const get = (name: string) => (name.toLowerCase() === modelHeader ? model : undefined) as never;
  return { get, getAll: (name: string) => [get(name)].filter((value) => value !== undefined) };
}
