import {
  type DeleteDeploymentRequest,
  DeleteDeploymentRequestSchema,
  DeleteDeploymentResponseSchema,
  type ScaleRequest,
  ScaleRequestSchema,
  ScaleResponseSchema,
} from "../../gen/drover/v1/controller_service_pb.ts";
import type { DeploymentRecord } from "../core/deployment.ts";
import { refusal } from "../core/errors.ts";
import { deleted, scaled } from "../core/generations.ts";
import { ofLife } from "../core/lineage.ts";
import type { CallContext } from "../rpc/service.ts";
import type { ControllerHandlers, ControllerParts } from "./controller-parts.ts";
import { editOne } from "./edit-one.ts";
import { type Edit, editTimeMs } from "./edits.ts";
import { expectSame } from "./expectations.ts";
import { once } from "./once.ts";
import { notFound } from "./refusals.ts";

/** Writes that need no spec. */
export function scaleAndDeleteHandlers(parts: ControllerParts): ControllerHandlers<"scale" | "deleteDeployment"> {
  return {
    scale: (request, context) => scale(parts, request, context),
    deleteDeployment: (request, context) => remove(parts, request, context),
  };
}

function scale(parts: ControllerParts, request: ScaleRequest, context: CallContext) {
  const edit = (before: DeploymentRecord): Edit => {
    if (before.spec.autoscalingConfig !== undefined) throw autoscales(request.name);
    const { numReplicas } = request;
    return { after: numReplicas === undefined ? before : scaled(before, numReplicas, editTimeMs(parts.clock, before)) };
  };
  const answer = (after: DeploymentRecord) => ({ deployment: parts.view.compose(after) });
  return editOne(parts, { input: ScaleRequestSchema, output: ScaleResponseSchema, request, context }, { edit, answer });
}

function autoscales(name: string): Error {
  const text = `the number of replicas of deployment "${name}" follows its load: deploy it with num_replicas instead of autoscaling_config, or change the bounds there`;
  return refusal("AUTOSCALED", text, { metadata: { deployment: name } });
}

function remove(parts: ControllerParts, request: DeleteDeploymentRequest, context: CallContext) {
  const { clock, view } = parts;
  const meant = (record: DeploymentRecord | undefined) => (request.uid === "" ? record : ofLife(record, request));
  const edit = (before: DeploymentRecord | undefined, name: string): Edit => {
    if (meant(before) === undefined && request.allowMissing) return { after: before };
    if (before === undefined) return notFound(name);
    expectSame(name, before, request);
    return { after: deleted(before, editTimeMs(clock, before)) };
  };
  return once(
    parts,
    { input: DeleteDeploymentRequestSchema, output: DeleteDeploymentResponseSchema, request, context },
    {
      plan: ({ author }) => ({ author, names: async () => [request.name], edit }),
      answer: ([made]) => {
        const record = meant(made?.after);
        return record === undefined ? {} : { deployment: view.compose(record) };
      },
    },
  );
}
