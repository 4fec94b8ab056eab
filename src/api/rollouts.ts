import {
  ListRevisionsResponseSchema,
  PauseRolloutRequestSchema,
  PauseRolloutResponseSchema,
  ResumeRolloutRequestSchema,
  ResumeRolloutResponseSchema,
  RollbackRequestSchema,
  RollbackResponseSchema,
} from "../../gen/drover/v1/controller_service_pb.ts";
import type { DeploymentRecord } from "../core/deployment.ts";
import { acknowledged, paused, resumed, rolledBack } from "../core/generations.ts";
import type { ControllerHandlers, ControllerParts } from "./controller-parts.ts";
import { editOne } from "./edit-one.ts";
import { editTimeMs } from "./edits.ts";
import { pageOf } from "./pages.ts";
import { revisionsOf, revisionToGoBackTo } from "./revisions.ts";

type RolloutMethod = "listRevisions" | "rollback" | "pauseRollout" | "resumeRollout";

/** Revisions, rollbacks, and rollouts that pause and resume. */
export function rolloutHandlers(parts: ControllerParts): ControllerHandlers<RolloutMethod> {
  const { mirror, clock, view } = parts;
  const by = (edit: (before: DeploymentRecord, nowMs: number) => DeploymentRecord) => ({
    edit: (before: DeploymentRecord) => ({ after: edit(before, editTimeMs(clock, before)) }),
    answer: (after: DeploymentRecord) => ({ deployment: view.compose(after) }),
  });
  return {
    listRevisions: async (request) => {
      await view.catchUp();
      return pageOf(ListRevisionsResponseSchema, request, revisionsOf(mirror, view.record(request.name)), clock);
    },
    rollback: (request, context) => {
      const back = (before: DeploymentRecord, nowMs: number) => {
        const to = revisionToGoBackTo(mirror, before, Number(request.revision));
        // Where the present revision is asked for, only a paused rollout has to go on.
        return to.revision === before.revision ? resumed(acknowledged(before), nowMs) : rolledBack(before, to, nowMs);
      };
      return editOne(parts, { input: RollbackRequestSchema, output: RollbackResponseSchema, request, context }, by(back));
    },
    pauseRollout: (request, context) =>
      editOne(parts, { input: PauseRolloutRequestSchema, output: PauseRolloutResponseSchema, request, context }, by(paused)),
    resumeRollout: (request, context) =>
      editOne(parts, { input: ResumeRolloutRequestSchema, output: ResumeRolloutResponseSchema, request, context }, by(resumed)),
  };
}
