import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type DecisionSchema,
  DecisionSource,
  ListDecisionsResponseSchema,
  type WatchDecisionsRequest,
  WatchDecisionsResponseSchema,
} from "../../gen/drover/v1/controller_service_pb.ts";
import type { DecisionSource as CoreDecisionSource, DecisionRecord } from "../core/decision.ts";
import type { DeploymentRecord } from "../core/deployment.ts";
import { refusal, type StatusError } from "../core/errors.ts";
import { ofLife } from "../core/lineage.ts";
import { Encoded, encode } from "../rpc/codec.ts";
import type { CallContext } from "../rpc/service.ts";
import type { Mirror, MirrorEvent } from "../store/mirror.ts";
import type { ControllerHandlers, ControllerParts } from "./controller-parts.ts";
import { EventQueue } from "./event-queue.ts";
import { newestFirst, pageOf } from "./pages.ts";

/** What was decided for a deployment, and why. */
export function decisionHandlers(parts: ControllerParts): ControllerHandlers<"listDecisions" | "watchDecisions"> {
  const { mirror, view, clock } = parts;
  return {
    listDecisions: async (request) => {
      await view.catchUp();
      const list = {
        items: decisionsOf(mirror, view.record(request.name)),
        keyOf: ({ number }: DecisionRecord) => newestFirst(number),
        answer: (decision: DecisionRecord) => ({ decisions: [decisionToMessage(decision)] }),
      };
      return pageOf(ListDecisionsResponseSchema, request, list, clock);
    },
    watchDecisions: (request, context) => watch(parts, request, context),
  };
}

/** The oldest first. */
function decisionsOf(mirror: Mirror, deployment: DeploymentRecord): readonly DecisionRecord[] {
  return mirror
    .lineage(deployment)
    .decisions()
    .map(({ value }) => value);
}

async function* watch(
  { mirror, view, turns, closing }: ControllerParts,
  { name }: WatchDecisionsRequest,
  context: CallContext,
): AsyncGenerator<Encoded> {
  await view.catchUp();
  const { signal } = context;
  const record = view.record(name);
  const queue = new EventQueue<Encoded>({
    bytesOf: ({ bytes }) => bytes.length,
    tooSlow: () => context.abort(tooSlow()),
    inTurn: turns.take,
  });
  // Nothing is awaited between these two lines, so each later decision is in the queue.
  const kept = decisionsOf(mirror, record);
  const unsubscribe = mirror.subscribe((event) => take(event, record, queue));
  const leave = () => queue.end();
  const stop = () => queue.end(refusal("SHUTTING_DOWN", "the controller is stopping: watch again", { retryAfterMs: 1_000 }));
  signal.addEventListener("abort", leave);
  closing.addEventListener("abort", stop);
  if (closing.aborted) stop();
  try {
    for (const decision of kept) yield encoded(decision);
    yield* queue.events();
  } finally {
    signal.removeEventListener("abort", leave);
    closing.removeEventListener("abort", stop);
    unsubscribe();
  }
}

function take(event: MirrorEvent, deployment: DeploymentRecord, queue: EventQueue<Encoded>): void {
  if (event.kind === "reset") {
    queue.end(refusal("WATCH_EXPIRED", "decisions may have been missed: watch again"));
    return;
  }
  const { kind, key, value } = event.change;
  if (value !== undefined && kind === "decision") {
    const decision = ofLife(value as DecisionRecord, deployment);
    if (decision !== undefined) queue.push(encoded(decision));
  } else if (kind === "deployment" && key === deployment.spec.name && !ofLife(value as DeploymentRecord | undefined, deployment))
    queue.finish();
}

function tooSlow(): StatusError {
  return refusal("WATCH_EXPIRED", "this watch is too far behind, and nothing waits for it: read faster, and watch again");
}

/** The responses with decisions that watches have asked for: a decision never changes. */
const responses = new WeakMap<DecisionRecord, Encoded>();

function encoded(decision: DecisionRecord): Encoded {
  const known = responses.get(decision);
  if (known !== undefined) return known;
  const response = new Encoded(encode(WatchDecisionsResponseSchema, { decision: decisionToMessage(decision) }));
  responses.set(decision, response);
  return response;
}

const sources: Readonly<Record<CoreDecisionSource, DecisionSource>> = {
  ROLLOUT: DecisionSource.ROLLOUT,
  AUTOSCALER: DecisionSource.AUTOSCALER,
};

function decisionToMessage(decision: DecisionRecord): MessageInitShape<typeof DecisionSchema> {
  const { deployment, number, atMs, source, summary, bound, inputs, rules } = decision;
  return {
    deployment,
    number: BigInt(number),
    decideTime: timestampFromMs(atMs),
    source: sources[source],
    summary,
    bound,
    inputs: { ...inputs },
    rules: rules.map(({ name, value, meaning }) => ({ name, value, meaning })),
  };
}
