import type { Random } from "../clock/clock.ts";
import { modelHeader, requestIdHeader } from "../core/metadata-keys.ts";
import type { RequestContext, RequestMetadata } from "../rpc/request-context.ts";
import { requestInWork, workOn } from "../rpc/request-in-work.ts";
import type { Interceptor } from "../rpc/server.ts";
import type { CallContext } from "../rpc/service.ts";

/** The most characters of a caller's id that are kept. */
const requestIdCharsMax = 128;
const madeIdLength = 12;

/** The replica's place in the cluster, for contexts and `GetInfo`. */
export interface Identity {
  readonly replicaId: string;
  readonly deployment: string;
  readonly revision: number;
}

/** What {@link requestViews} needs. */
export interface RequestViewOptions {
  readonly identity: Identity;
  readonly forwardMetadata: readonly string[];
  readonly random: Random;
  readonly isRequest: (context: CallContext) => boolean;
}

/** Makes the context of each request, for the program and for the calls that it makes. */
export function requestViews({ identity, forwardMetadata, random, isRequest }: RequestViewOptions): Interceptor {
  return (call, next) => {
    if (!isRequest(call)) return next();
    return workOn({ context: new CallView(call, identity, random), forwardMetadata, isOver: false, ends: [] }, next);
  };
}

/** The context of the request in work, which is for that method of the program. */
export function contextOf(method: string): RequestContext {
  const view = requestInWork()?.context;
  if (!(view instanceof CallView)) throw new Error("no request is in work");
  view.method = method;
  return view;
}

/** One is made for each request, so it reads from the call only what the program uses. */
class CallView implements RequestContext {
  method: string;
  readonly #call: CallContext;
  readonly #identity: Identity;
  readonly #random: Random;
  #requestId: string | undefined;

  constructor(call: CallContext, identity: Identity, random: Random) {
    this.method = `${call.method.parent.typeName}/${call.method.name}`;
    this.#call = call;
    this.#identity = identity;
    this.#random = random;
  }

  get signal(): AbortSignal {
    return this.#call.signal;
  }

  get deadlineMs(): number | undefined {
    return this.#call.deadlineMs;
  }

  get metadata(): RequestMetadata {
    return new MetadataView(this.#call.metadata);
  }

  get requestId(): string {
    const given = () => String(this.#call.metadata.get(requestIdHeader)[0] ?? "").slice(0, requestIdCharsMax);
    this.#requestId ??= given() || this.#random.id(madeIdLength);
    return this.#requestId;
  }

  get model(): string | undefined {
    const [model] = this.#call.metadata.get(modelHeader);
    return typeof model === "string" && model !== "" ? model : undefined;
  }

  get replicaId(): string {
    return this.#identity.replicaId;
  }

  get deployment(): string {
    return this.#identity.deployment;
  }

  get revision(): number {
    return this.#identity.revision;
  }
}

/** A caller's metadata in the SDK's own types, which are the same in both SDKs. */
class MetadataView {
  readonly #metadata: CallContext["metadata"];

  constructor(metadata: CallContext["metadata"]) {
    this.#metadata = metadata;
  }

  get(name: string): never {
    const values = this.getAll(name) as readonly (string | Uint8Array)[];
    return (values.length > 1 && typeof values[0] === "string" ? values.join(", ") : values[0]) as never;
  }

  getAll(name: string): never {
    // A Buffer's `slice` behaves otherwise than a Uint8Array's.
    return this.#metadata.get(name).map((value) => (typeof value === "string" ? value : new Uint8Array(value))) as never;
  }
}
