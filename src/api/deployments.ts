import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  ListDeploymentsResponseSchema,
  type WatchDeploymentsRequest,
  type WatchDeploymentsResponseSchema,
} from "../../gen/drover/v1/controller_service_pb.ts";
import { refusal } from "../core/errors.ts";
import type { Encoded } from "../rpc/codec.ts";
import type { CallContext } from "../rpc/service.ts";
import type { ControllerHandlers, ControllerParts } from "./controller-parts.ts";
import { encodedEvent } from "./deployment-event.ts";
import { pageOf } from "./pages.ts";
import { notFound } from "./refusals.ts";

/** Reads of deployments. */
export function deploymentHandlers(parts: ControllerParts): ControllerHandlers<"getDeployment" | "listDeployments" | "watchDeployments"> {
  const { mirror, view, clock } = parts;
  return {
    getDeployment: async ({ name }) => {
      await view.catchUp();
      return { deployment: view.current(name) ?? notFound(name) };
    },
    listDeployments: async (request) => {
      await view.catchUp();
      const answer = (name: string) => {
        const deployment = view.current(name);
        return { deployments: deployment === undefined ? [] : [deployment] };
      };
      const { application } = request;
      const all = Array.from(mirror.deployments(), ([name, { value }]) => ({ name, application: value.spec.application }));
      const names = all.flatMap((one) => (application === "" || one.application === application ? one.name : []));
      const list = { items: names, keyOf: (name: string) => name, answer };
      return pageOf(ListDeploymentsResponseSchema, request, list, clock);
    },
    watchDeployments: (request, context) => watch(parts, request, context),
  };
}

async function* watch(
  { mirror, view, feed }: ControllerParts,
  request: WatchDeploymentsRequest,
  context: CallContext,
): AsyncGenerator<MessageInitShape<typeof WatchDeploymentsResponseSchema> | Encoded> {
  await view.catchUp();
  const { signal } = context;
  const names = new Set(request.names);
  const wants = (name: string) => names.size === 0 || names.has(name);
  const { position } = mirror;
  const resume = request.resumePosition === undefined ? undefined : Number(request.resumePosition);
  const { backlog, queue, close } = feed.watch(resume ?? position, { wants, drop: (error) => context.abort(error) });
  const leave = () => queue.end();
  signal.addEventListener("abort", leave);
  try {
    // Made without a wait, so that all of them are of one position.
    const first = resume === undefined ? feed.present(wants) : backlog;
    // None of these has a position: a watch that resumed there would miss those that follow.
    for (const event of first) yield encodedEvent(event, { position: false });
    yield { event: { case: "synced", value: {} }, position: BigInt(position) };
    for await (const event of queue.events()) yield encodedEvent(event, { position: true });
  } finally {
    signal.removeEventListener("abort", leave);
    close();
  }
  signal.throwIfAborted();
  throw refusal("SHUTTING_DOWN", "the controller is stopping: watch again", { retryAfterMs: 1_000 });
}
