import type { MessageInitShape } from "@bufbuild/protobuf";
import type { WatchDeploymentsRequest, WatchDeploymentsResponseSchema } from "../../gen/drover/v1/controller_service_pb.ts";
import { refusal } from "../core/errors.ts";
import type { CallContext } from "../rpc/service.ts";
import type { ControllerHandlers, ControllerParts } from "./controller-parts.ts";
import type { FeedEvent } from "./deployment-feed.ts";
import { pageOf } from "./pages.ts";
import { notFound } from "./refusals.ts";

/** Reads of deployments. */
export function deploymentHandlers(parts: ControllerParts): ControllerHandlers<"getDeployment" | "listDeployments" | "watchDeployments"> {
  const { mirror, view } = parts;
  return {
    getDeployment: async ({ name }) => {
      await view.catchUp();
      return { deployment: view.current(name) ?? notFound(name) };
    },
    listDeployments: async ({ pageSize, pageToken }) => {
      await view.catchUp();
      const page = pageOf(mirror.deployments().keys(), (name) => name, pageSize, pageToken);
      return { deployments: page.items.flatMap((name) => view.current(name) ?? []), nextPageToken: page.nextPageToken };
    },
    watchDeployments: (request, context) => watch(parts, request, context),
  };
}

async function* watch(
  { mirror, view, feed }: ControllerParts,
  request: WatchDeploymentsRequest,
  { signal }: CallContext,
): AsyncGenerator<MessageInitShape<typeof WatchDeploymentsResponseSchema>> {
  await view.catchUp();
  const wanted = (name: string) => request.names.length === 0 || request.names.includes(name);
  const { position } = mirror;
  const resume = request.resumePosition === undefined ? undefined : Number(request.resumePosition);
  const { backlog, queue, close } = feed.watch(resume ?? position);
  const leave = () => queue.end();
  signal.addEventListener("abort", leave);
  try {
    // Composed without a wait, so that all of them are of one position.
    const first =
      resume === undefined
        ? [...mirror.deployments().keys()].map((name): FeedEvent => ({ position, name, deployment: view.current(name) }))
        : backlog;
    // None of these has a position: a watch that resumed there would miss those that follow.
    for (const event of first) if (wanted(event.name)) yield { event: eventToMessage(event) };
    yield { event: { case: "synced", value: {} }, position: BigInt(position) };
    for await (const event of queue.events())
      if (wanted(event.name)) yield { event: eventToMessage(event), position: BigInt(event.position) };
  } finally {
    signal.removeEventListener("abort", leave);
    close();
  }
  throw refusal("SHUTTING_DOWN", "the controller is stopping: watch again", { retryAfterMs: 1_000 });
}

function eventToMessage({ name, deployment }: FeedEvent) {
  return deployment === undefined
    ? ({ case: "deploymentDeleted", value: name } as const)
    : ({ case: "deploymentUpdated", value: deployment } as const);
}
