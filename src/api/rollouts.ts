import { acknowledged, paused, resumed, rolledBack } from "../core/change.ts";
import type { DeploymentRecord } from "../core/deployment.ts";
import { changeExisting } from "./changeable.ts";
import type { ControllerParts, Handlers } from "./controller-parts.ts";
import { changeTimeMs } from "./mutations.ts";
import { revisionsToMessage, revisionToGoBackTo } from "./revisions.ts";

type RolloutMethod = "listRevisions" | "rollback" | "pauseRollout" | "resumeRollout";

/** Revisions, and how a rollout to one of them goes on. */
export function rolloutHandlers({ store, mirror, clock, view }: ControllerParts): Handlers<RolloutMethod> {
  const change = async (name: string, by: (before: DeploymentRecord, nowMs: number) => DeploymentRecord) => ({
    deployment: view.compose(await changeExisting(store, name, (before) => by(before, changeTimeMs(clock, before)))),
  });
  return {
    listRevisions: async ({ name }) => {
      await view.catchUp();
      return { revisions: [...revisionsToMessage(mirror, view.record(name))] };
    },
    rollback: async ({ name, revision }) => {
      await mirror.catchUp();
      return change(name, (before, nowMs) => {
        const to = revisionToGoBackTo(mirror, before, Number(revision));
        // Back to the one that is wanted: what a rollback does beside is to let a paused rollout go on.
        return to.revision === before.revision ? resumed(acknowledged(before), nowMs) : rolledBack(before, to, nowMs);
      });
    },
    pauseRollout: ({ name }) => change(name, paused),
    resumeRollout: ({ name }) => change(name, resumed),
  };
}
