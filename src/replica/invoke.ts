import { type InvokeRequest, InvokeService } from "../../gen/drover/v1/invoke_service_pb.ts";
import { invalid, refusal } from "../core/errors.ts";
import { NotJson } from "../rpc/json-value.ts";
import { type CallContext, type Implementation, implement } from "../rpc/service.ts";
import { decodeArguments, encodeResult, type ResultFields } from "../rpc/values.ts";
import { argumentsFor } from "./arguments.ts";
import type { HostedProgram, ProgramMethod, RequestContext, RequestMetadata } from "./program.ts";

/** The replica's place in the cluster, for contexts and `GetInfo`. */
export interface Identity {
  readonly replicaId: string;
  readonly deployment: string;
  readonly revision: number;
}

type Request = Pick<InvokeRequest, "deployment" | "method" | "input" | "parts">;

/** `InvokeService` for a program's methods. A request names this replica's deployment, or none. */
export function invokeService(program: HostedProgram, identity: Identity): Implementation {
  const start = (request: Request, context: CallContext): unknown => {
    if (request.deployment && request.deployment !== identity.deployment) {
      throw refusal("WRONG_REPLICA", `this is a replica of "${identity.deployment}", not of "${request.deployment}"`);
    }
    const { call, parameters } = methodOf(program, request.method);
    return call(...argumentsFor(request.method || "call", parameters, decodeArguments(request), new CallView(context, identity)));
  };
  return implement(InvokeService, {
    invoke: async (request, context) => {
      const method = request.method || "call";
      const result = await start(request, context);
      if (isStream(result)) {
        void leave(iteratorOf(result));
        throw invalid([
          {
            field: "method",
            description: `"${method}" returns a stream of results: call it with InvokeServerStream (drover invoke --stream)`,
          },
        ]);
      }
      return outputOf(result, method);
    },
    invokeServerStream: async function* (request, context) {
      const method = request.method || "call";
      const result = await start(request, context);
      if (!isStream(result)) yield outputOf(result, method);
      else for await (const item of untilLeft(result, context.signal)) yield outputOf(item, method);
    },
  });
}

function methodOf(program: HostedProgram, name: string): ProgramMethod {
  const method = program.methods.get(name || "call");
  if (method) return method;
  const names = [...program.methods.keys()].sort();
  throw refusal("METHOD_NOT_FOUND", `no method "${name || "call"}"; there ${names.length ? `are: ${names.join(", ")}` : "is none"}`);
}

/** One is made for each request, so it reads from the call only what the program uses. */
class CallView implements RequestContext {
  readonly #call: CallContext;
  readonly #identity: Identity;

  constructor(call: CallContext, identity: Identity) {
    this.#call = call;
    this.#identity = identity;
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

function outputOf(result: unknown, method: string): ResultFields {
  try {
    return encodeResult(result);
  } catch (cause) {
    if (!(cause instanceof NotJson)) throw cause;
    throw refusal("PROGRAM_ERROR", `the result of "${method}" is not JSON: result${cause.path} is ${cause.what}`);
  }
}

type Stream = AsyncIterable<unknown> | Iterable<unknown>;
type StreamIterator = AsyncIterator<unknown> | Iterator<unknown>;

/** Whether a result is a stream: anything iterable that is not a JSON value or binary. */
function isStream(result: unknown): result is Stream {
  if (typeof result !== "object" || result === null) return false;
  if (Symbol.asyncIterator in result) return true;
  return Symbol.iterator in result && !Array.isArray(result) && !ArrayBuffer.isView(result) && !("toJSON" in result);
}

function iteratorOf(stream: Stream): StreamIterator {
  return Symbol.asyncIterator in stream ? stream[Symbol.asyncIterator]() : stream[Symbol.iterator]();
}

/**
 * The stream's items. When the caller leaves, the iterator's `return` is called at once, also while
 * it makes the next item. The stream is over when the iterator has cleaned up.
 */
async function* untilLeft(stream: Stream, signal: AbortSignal): AsyncGenerator<unknown> {
  const iterator = iteratorOf(stream);
  let stopWaiting = () => {};
  const onAbort = () => void leave(iterator).then(() => stopWaiting());
  signal.addEventListener("abort", onAbort, { once: true });
  let ended = false;
  try {
    while (!signal.aborted) {
      ended = true; // in case next throws
      const step = await new Promise<IteratorResult<unknown> | undefined>((resolve, reject) => {
        stopWaiting = () => resolve(undefined);
        Promise.resolve(iterator.next()).then(resolve, reject);
      });
      if (step === undefined || step.done) return;
      ended = false;
      yield await step.value;
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    if (!ended) await iterator.return?.();
  }
}

/** Ends an iterator that is not read any more. Errors of its clean-up are ignored. */
async function leave(iterator: StreamIterator): Promise<void> {
  try {
    await iterator.return?.();
  } catch {}
}
