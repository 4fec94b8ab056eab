import type { DeploymentRecord } from "../core/deployment.ts";
import { acknowledged, paused, resumed, rolledBack } from "../core/generations.ts";
import { configWrites } from "../store/writes/config-writes.ts";
import { authorOf } from "./caller.ts";
import { changeExisting } from "./changeable.ts";
import type { ControllerParts, Handlers } from "./controller-parts.ts";
import { changeTimeMs } from "./mutations.ts";
import { revisionsToMessage, revisionToGoBackTo } from "./revisions.ts";

type RolloutMethod = "listRevisions" | "rollback" | "pauseRollout" | "resumeRollout";

/** Revisions, and how a rollout to one of them goes on. */
export function rolloutHandlers(parts: ControllerParts): Handlers<RolloutMethod> {
  const { mirror, clock, view } = parts;
  const change = async (name: string, by: (before: DeploymentRecord, nowMs: number) => DeploymentRecord, author = "") => {
    const record = await changeExisting(parts, name, {
      change: (before) => by(before, changeTimeMs(clock, before)),
      beside: (after, before) => configWrites(mirror, after, before, author),
    });
    return { deployment: view.compose(record) };
  };
  return {
    listRevisions: async ({ name }) => {
      await view.catchUp();
      return { revisions: [...revisionsToMessage(mirror, view.record(name))] };
    },
    rollback: async ({ name, revision }, context) => {
      await mirror.catchUp();
      const back = (before: DeploymentRecord, nowMs: number) => {
        const to = revisionToGoBackTo(mirror, before, Number(revision));
        // Back to the one that is wanted: what a rollback does beside is to let a paused rollout go on.
        return to.revision === before.revision ? resumed(acknowledged(before), nowMs) : rolledBack(before, to, nowMs);
      };
      return change(name, back, authorOf(context));
    },
    pauseRollout: ({ name }) => change(name, paused),
    resumeRollout: ({ name }) => change(name, resumed),
  };
}
