import type { DeploymentRecord } from "../core/deployment.ts";
import { refusal, StatusError } from "../core/errors.ts";
import type { ControllerParts } from "./controller-parts.ts";
import { untilMirrored } from "./until-mirrored.ts";

/** How long an edit waits for the end of a change of config. */
const waitMaxMs = 20_000;

/** The record itself. Fails with DEPLOYMENT_DELETING and CHANGE_IN_PROGRESS where it takes no edit now. */
export function editable(record: DeploymentRecord): DeploymentRecord {
  const { name } = record.spec;
  const metadata = { deployment: name };
  if (record.deletingSinceMs !== undefined) {
    const text = `deployment "${name}" is being deleted: wait until it is gone`;
    throw refusal("DEPLOYMENT_DELETING", text, { retryAfterMs: 1_000, metadata });
  }
  if (record.changing === undefined) return record;
  const text = `another config is being given to the replicas of deployment "${name}": try again when that is over`;
  throw refusal("CHANGE_IN_PROGRESS", text, { retryAfterMs: 1_000, metadata });
}

/** Acts, and acts again once the change of config that was in the way is over: edits of one deployment take turns. */
export async function inTurn<T>({ mirror, clock, closing }: ControllerParts, act: () => Promise<T>): Promise<T> {
  const untilMs = clock.nowMs() + waitMaxMs;
  for (;;) {
    try {
      return await act();
    } catch (cause) {
      const name = cause instanceof StatusError && cause.reason === "CHANGE_IN_PROGRESS" ? cause.facts.metadata?.deployment : undefined;
      const leftMs = untilMs - clock.nowMs();
      if (name === undefined || leftMs <= 0 || closing.aborted) throw cause;
      const isFree = () => mirror.deployment(name)?.value.changing === undefined || undefined;
      await untilMirrored(mirror, clock, leftMs, closing, isFree);
    }
  }
}
