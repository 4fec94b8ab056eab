import { type InvokeRequest, InvokeService } from "../../gen/drover/v1/invoke_service_pb.ts";
import { invalid, refusal } from "../core/errors.ts";
import { functionMethod } from "../program/definition.ts";
import { NotJson } from "../rpc/json-value.ts";
import { invokeRequestBounds } from "../rpc/request-bounds.ts";
import { decoderWithin } from "../rpc/request-decoder.ts";
import { type Implementation, implement } from "../rpc/service.ts";
import { decodeArguments, encodeResult, type ResultFields } from "../rpc/values.ts";
import { argumentsFor } from "./arguments.ts";
import type { HostedProgram, ProgramMethod } from "./program.ts";
import { contextOf, type Identity } from "./request-view.ts";

type Request = Pick<InvokeRequest, "deployment" | "method" | "input" | "parts">;

/** `InvokeService` for a program's methods. A request names this replica's deployment, or none. */
export function invokeService(program: HostedProgram, identity: Identity): Implementation {
  const start = (request: Request): unknown => {
    if (request.deployment && request.deployment !== identity.deployment) {
      throw refusal("WRONG_REPLICA", `this is a replica of "${identity.deployment}", not of "${request.deployment}"`);
    }
    const name = request.method || functionMethod;
    const { call, parameters } = methodOf(program, name);
    return call(...argumentsFor(name, parameters, decodeArguments(request), contextOf(name)));
  };
  const implementation = implement(InvokeService, {
    invoke: async (request) => {
      const method = request.method || functionMethod;
      const result = await start(request);
      if (isStream(result)) {
        void leave(iteratorOf(result));
        throw invalid([
          {
            field: "method",
            description: `"${method}" returns a stream of results: call it with InvokeServerStream (drover invoke --stream, handle.method.stream)`,
          },
        ]);
      }
      return outputOf(result, method);
    },
    invokeServerStream: async function* (request, context) {
      const method = request.method || functionMethod;
      const result = await start(request);
      if (!isStream(result)) yield outputOf(result, method);
      else for await (const item of untilLeft(result, context.signal)) yield outputOf(item, method);
    },
  });
  return { ...implementation, largeRequestDecoder: decoderWithin(invokeRequestBounds) };
}

function methodOf(program: HostedProgram, name: string): ProgramMethod {
  const method = program.methods.get(name);
  if (method) return method;
  const names = [...program.methods.keys()].sort();
  throw refusal("METHOD_NOT_FOUND", `no method "${name}"; there ${names.length ? `are: ${names.join(", ")}` : "is none"}`);
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
