import type { DescMethod, Message } from "@bufbuild/protobuf";
import {
  type ApplyRequest,
  ControllerService,
  type CreateBundleRequest,
  type DeployRequest,
  type FindMissingFilesRequest,
  type ReconfigureRequest,
  type SimulateAutoscalingRequest,
} from "../../gen/drover/v1/controller_service_pb.ts";
import { pacing } from "../clock/breathe.ts";
import type { Clock } from "../clock/clock.ts";
import { invalid } from "../core/errors.ts";
import { type CallContext, type Implementation, implement, type ServiceHandlers } from "../rpc/service.ts";
import { compileRules, violationsInParts, violationsMax, violationsOf } from "../rpc/validate.ts";
import { bundleHandlers, createBundleViolations, missingFilesViolations } from "./bundles.ts";
import { clusterHandlers } from "./cluster.ts";
import type { ControllerParts, ControllerServiceOptions } from "./controller-parts.ts";
import { decisionHandlers } from "./decisions.ts";
import { DeploymentFeed } from "./deployment-feed.ts";
import { DeploymentView } from "./deployment-view.ts";
import { deploymentHandlers } from "./deployments.ts";
import { applyChecks, deployChecks, deployHandlers } from "./deploys.ts";
import { ReaderTurns } from "./reader-turns.ts";
import { reconfigureHandlers, reconfigureViolations } from "./reconfigure.ts";
import { replicaHandlers } from "./replicas.ts";
import type { RequestCheck } from "./request-check.ts";
import { rolloutHandlers } from "./rollouts.ts";
import { scaleAndDeleteHandlers } from "./scale-and-delete.ts";
import { simulateHandlers, simulateViolations } from "./simulate.ts";
import type { SpecRules } from "./spec-violations.ts";
import { endpointHandlers } from "./watch-endpoints.ts";

/** The pieces of an upload that are read before the one in work is stored. */
const readAheadMax = 1;

/** The handlers of `drover.v1.ControllerService`. */
export class ControllerApi {
  readonly implementation: Implementation;
  readonly #feed: DeploymentFeed;
  readonly #closing = new AbortController();

  constructor(options: ControllerServiceOptions) {
    for (const { input } of ControllerService.methods) compileRules(input);
    const view = new DeploymentView(options);
    const turns = new ReaderTurns();
    this.#feed = new DeploymentFeed(options.mirror, view, turns);
    const parts: ControllerParts = { ...options, view, feed: this.#feed, turns, closing: this.#closing.signal };
    this.implementation = { ...implement(ControllerService, checked(handlersOf(parts), parts)), readAheadMax };
  }

  /** Ends the watches. */
  close(): void {
    this.#feed.close();
    this.#closing.abort();
  }
}

function handlersOf(parts: ControllerParts): ServiceHandlers<typeof ControllerService> {
  return {
    ...deployHandlers(parts),
    ...scaleAndDeleteHandlers(parts),
    ...deploymentHandlers(parts),
    ...rolloutHandlers(parts),
    ...reconfigureHandlers(parts),
    ...decisionHandlers(parts),
    ...replicaHandlers(parts),
    ...simulateHandlers(parts),
    ...clusterHandlers(parts),
    ...endpointHandlers(parts),
    ...bundleHandlers(parts),
  };
}

/** Rules, by method, that the proto of a request cannot express; one check for each of its specs. */
const moreRules: { readonly [method: string]: ((request: never, parts: CheckParts) => readonly RequestCheck[]) | undefined } = {
  deploy: (request: DeployRequest, parts) => deployChecks(request, parts),
  apply: (request: ApplyRequest, parts) => applyChecks(request, parts),
  simulateAutoscaling: (request: SimulateAutoscalingRequest) => [() => simulateViolations(request)],
  findMissingFiles: (request: FindMissingFilesRequest) => [() => missingFilesViolations(request)],
  createBundle: (request: CreateBundleRequest, { bundles }) => [() => createBundleViolations(request, bundles.bounds)],
  reconfigure: (request: ReconfigureRequest) => [() => reconfigureViolations(request)],
};

/** What checks of requests need to know. */
interface CheckParts extends SpecRules, Pick<ControllerParts, "bundles"> {
  readonly clock: Pick<Clock, "nowMs">;
}

type CheckedHandler = (request: Message, context: CallContext) => unknown;

/** The handlers behind a check of the request. The error names every wrong field. */
function checked<H extends Readonly<Record<string, unknown>>>(handlers: H, parts: CheckParts): H {
  return Object.fromEntries(
    Object.entries(handlers).map(([name, handler]) => {
      const method = ControllerService.method[name as keyof typeof ControllerService.method];
      const handle = handler as CheckedHandler;
      return [name, checkedHandler(method, handle, parts)];
    }),
  ) as H;
}

function checkedHandler(method: DescMethod, handle: CheckedHandler, parts: CheckParts): CheckedHandler {
  switch (method.methodKind) {
    case "unary":
      return checkedUnary(method, handle, parts);
    case "server_streaming":
      return checkedStream(method, handle);
    default:
      return handle; // it checks each message of its stream itself
  }
}

function checkedUnary(method: DescMethod, handle: CheckedHandler, parts: CheckParts): CheckedHandler {
  return async (request, context) => {
    const pace = pacing(() => parts.clock.nowMs());
    const found = [...(await violationsInParts(method.input, request, pace))];
    for (const check of moreRules[method.localName]?.(request as never, parts) ?? []) {
      if (found.length >= violationsMax) break;
      found.push(...check());
      await pace();
    }
    if (found.length > 0) throw invalid(found);
    return handle(request, context);
  };
}

/** Requests for streams are small. */
function checkedStream(method: DescMethod, handle: CheckedHandler): CheckedHandler {
  return (request, context) => {
    const found = violationsOf(method.input, request);
    if (found.length > 0) throw invalid(found);
    return handle(request, context);
  };
}
