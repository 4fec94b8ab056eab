import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import {
  type ApplyRequest,
  ControllerService,
  type DeployRequest,
  type ReconfigureRequest,
  type SimulateAutoscalingRequest,
} from "../../gen/drover/v1/controller_service_pb.ts";
import { type FieldViolation, invalid } from "../core/errors.ts";
import { type CallContext, type Implementation, implement, type ServiceHandlers } from "../rpc/service.ts";
import { violationsOf } from "../rpc/validate.ts";
import { clusterHandlers } from "./cluster.ts";
import type { ControllerParts, ControllerServiceOptions } from "./controller-parts.ts";
import { decisionHandlers } from "./decisions.ts";
import { DeploymentFeed } from "./deployment-feed.ts";
import { DeploymentView } from "./deployment-view.ts";
import { deploymentHandlers } from "./deployments.ts";
import { applyViolations, deployHandlers, deployViolations } from "./deploys.ts";
import { reconfigureHandlers, reconfigureViolations } from "./reconfigure.ts";
import { replicaHandlers } from "./replicas.ts";
import { rolloutHandlers } from "./rollouts.ts";
import { scaleAndDeleteHandlers } from "./scale-and-delete.ts";
import { simulateHandlers, simulateViolations } from "./simulate.ts";

/** The handlers of `drover.v1.ControllerService`. */
export class ControllerApi {
  readonly implementation: Implementation;
  readonly #feed: DeploymentFeed;
  readonly #closing = new AbortController();

  constructor(options: ControllerServiceOptions) {
    const view = new DeploymentView(options.mirror, options.observed);
    this.#feed = new DeploymentFeed(options.mirror, (name) => view.current(name));
    const parts: ControllerParts = { ...options, view, feed: this.#feed, closing: this.#closing.signal };
    this.implementation = implement(ControllerService, checked(handlersOf(parts)));
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
  };
}

/** Rules, by method, that the proto of a request cannot express. */
const moreRules: { readonly [method: string]: ((request: never) => readonly FieldViolation[]) | undefined } = {
  deploy: (request: DeployRequest) => deployViolations(request),
  apply: (request: ApplyRequest) => applyViolations(request),
  simulateAutoscaling: (request: SimulateAutoscalingRequest) => simulateViolations(request),
  reconfigure: (request: ReconfigureRequest) => reconfigureViolations(request),
};

/** The handlers behind a check of the request. The error names every wrong field. */
function checked<H extends Readonly<Record<string, unknown>>>(handlers: H): H {
  return Object.fromEntries(
    Object.entries(handlers).map(([name, handler]) => {
      const method = ControllerService.method[name as keyof typeof ControllerService.method];
      return [
        name,
        (request: MessageShape<DescMessage>, context: CallContext) => {
          const violations = [...violationsOf<DescMessage>(method.input, request), ...(moreRules[name]?.(request as never) ?? [])];
          if (violations.length > 0) throw invalid(violations);
          return (handler as (request: unknown, context: CallContext) => unknown)(request, context);
        },
      ];
    }),
  ) as H;
}
