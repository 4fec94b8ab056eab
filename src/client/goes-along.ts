import type { Clock } from "../clock/clock.ts";
import { requestIdHeader } from "../core/metadata-keys.ts";
import type { MetadataValues } from "../rpc/call-metadata.ts";
import type { RequestContext } from "../rpc/request-context.ts";
import type { RequestInWork } from "../rpc/request-in-work.ts";
import type { CallOptions } from "../rpc/service.ts";

/** What every call takes along of the request that it is made for, besides the request's id. */
const alwaysForwarded = ["traceparent", "tracestate", "baggage"] as const;

/** When a call ends, and what it is sent with. */
export interface CallTerms {
  /** When it ends, by `Clock.nowMs`. Undefined: it has no deadline. */
  readonly endMs: number | undefined;
  readonly signal: AbortSignal | undefined;
  readonly metadata: Readonly<Record<string, MetadataValues>>;
}

/**
 * What a call takes along of the request in work: the time that is left, the end with its caller,
 * and metadata. What the call says itself comes first, but no call outlasts its request's deadline.
 * `newId` makes the id of a call that is made for no request.
 */
export function goesAlong(request: RequestInWork | undefined, options: CallOptions, clock: Clock, newId: () => string): CallTerms {
  const own = options.deadlineMs === undefined ? [] : [clock.nowMs() + options.deadlineMs];
  const given = options.metadata ?? {};
  const names = new Set(Object.keys(given).map((name) => name.toLowerCase()));
  const id: Record<string, string> = names.has(requestIdHeader) ? {} : { [requestIdHeader]: request?.context.requestId ?? newId() };
  if (request === undefined) return { endMs: own[0], signal: options.signal, metadata: { ...id, ...given } };
  const { deadlineMs, signal } = request.context;
  const ends = deadlineMs === undefined ? own : [...own, clock.nowMs() + deadlineMs - clock.wallMs()];
  return {
    endMs: ends.length === 0 ? undefined : Math.min(...ends),
    signal: options.signal === undefined ? signal : AbortSignal.any([signal, options.signal]),
    metadata: { ...id, ...forwarded(request, names), ...given },
  };
}

function forwarded({ context, forwardMetadata }: RequestInWork, except: ReadonlySet<string>): Record<string, MetadataValues> {
  return metadataOf(
    context,
    [...alwaysForwarded, ...forwardMetadata].filter((name) => !except.has(name)),
  );
}

function metadataOf({ metadata }: RequestContext, names: readonly string[]): Record<string, MetadataValues> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const values: readonly (string | Uint8Array)[] = metadata.getAll(name);
      return values.length === 0 ? [] : [[name, values] as const];
    }),
  );
}
