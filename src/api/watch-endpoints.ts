import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { type WatchEndpointsRequest, WatchEndpointsResponseSchema } from "../../gen/drover/v1/controller_service_pb.ts";
import { refusal } from "../core/errors.ts";
import type { Route } from "../core/traffic/route.ts";
import { Encoded, encode } from "../rpc/codec.ts";
import type { CallContext } from "../rpc/service.ts";
import type { ControllerHandlers, ControllerParts } from "./controller-parts.ts";

/** The watch of the replicas that get requests, for clients that call replicas directly. */
export function endpointHandlers(parts: ControllerParts): ControllerHandlers<"watchEndpoints"> {
  const encoded = new WeakMap<Route, Encoded>();
  /** Many watches have the same routes, so each is encoded once. */
  const encodedOf = (name: string, route: Route | undefined): Encoded => {
    if (route === undefined) return answer({ deployment: name });
    const bytes = encoded.get(route) ?? answer(stateOf(route));
    encoded.set(route, bytes);
    return bytes;
  };
  return { watchEndpoints: (request, context) => watch(parts, encodedOf, request, context) };
}

type Init = MessageInitShape<typeof WatchEndpointsResponseSchema>;

const answer = (state: Init): Encoded => new Encoded(encode(WatchEndpointsResponseSchema, state));

function stateOf({ deployment, endpoints, maxOngoingRequests, messageBytesMax, requestTimeoutMs }: Route): Init {
  return {
    deployment,
    exists: true,
    endpoints: endpoints.map(({ models = [], ...endpoint }) => ({ ...endpoint, models: [...models] })),
    maxOngoingRequests,
    maxMessageBytes: BigInt(messageBytesMax),
    ...(requestTimeoutMs !== undefined && { requestTimeout: durationFromMs(requestTimeoutMs) }),
  };
}

/**
 * Sends the present state of each deployment, then each state that differs from the one before. A
 * reader that is slow misses states and gets the last one, so nothing waits for it.
 */
async function* watch(
  { routes, turns, closing }: ControllerParts,
  encodedOf: (name: string, route: Route | undefined) => Encoded,
  { names }: WatchEndpointsRequest,
  { signal }: CallContext,
): AsyncGenerator<Encoded> {
  const sent = new Map<string, Encoded | undefined>(names.map((name) => [name, undefined]));
  const changed = new Set(sent.keys());
  let resume = () => {};
  const wake = () => resume();
  const unsubscribe = routes.onChange((name) => {
    if (!sent.has(name)) return;
    changed.add(name);
    turns.take(wake);
  });
  const ends = [signal, closing];
  for (const end of ends) end.addEventListener("abort", wake);
  const isOver = () => ends.some(({ aborted }) => aborted);
  try {
    while (!isOver()) {
      const woken = new Promise<void>((resolve) => {
        resume = resolve;
      });
      for (const name of changed) {
        changed.delete(name);
        const state = encodedOf(name, routes.get(name));
        if (sent.get(name)?.bytes.equals(state.bytes)) continue;
        sent.set(name, state);
        yield state;
        if (isOver()) break;
      }
      if (!isOver()) await woken;
    }
  } finally {
    unsubscribe();
    for (const end of ends) end.removeEventListener("abort", wake);
  }
  signal.throwIfAborted();
  throw refusal("SHUTTING_DOWN", "the controller is stopping: watch again", { retryAfterMs: 1_000 });
}
