import type { DeploymentRecord } from "../core/deployment.ts";
import { refusal, type StatusError } from "../core/errors.ts";
import type { ControllerParts } from "./controller-parts.ts";
import { commitEdits, type Edit, type EditPlan, type EditRequest, type EditResult, type MadeEdit, makeEdits } from "./edits.ts";
import { untilMirrored } from "./until-mirrored.ts";

/** How long an edit waits for the end of a change of config. */
const waitMaxMs = 20_000;

/**
 * The edit of a record; "changing" while a change of config is in progress. Fails with
 * DEPLOYMENT_DELETING.
 */
export function editIfFree(record: DeploymentRecord, edit: (record: DeploymentRecord) => Edit): Edit | "changing" {
  const { name } = record.spec;
  if (record.deletingSinceMs !== undefined) {
    const text = `deployment "${name}" is being deleted: wait until it is gone`;
    throw refusal("DEPLOYMENT_DELETING", text, { retryAfterMs: 1_000, metadata: { deployment: name } });
  }
  return record.changing === undefined ? edit(record) : "changing";
}

/**
 * Writes edits as {@link commitEdits} does, one after the other for each deployment: where a change
 * of config is in progress, it waits for its end and begins again. Fails with CHANGE_IN_PROGRESS if
 * that takes too long.
 */
export async function commitInTurn(
  parts: ControllerParts,
  planOf: () => EditPlan,
  request?: EditRequest,
): Promise<Exclude<EditResult, { readonly kind: "changing" }>> {
  const { mirror, clock, closing } = parts;
  const untilMs = clock.nowMs() + waitMaxMs;
  for (;;) {
    const result = await commitEdits(parts, planOf(), request);
    if (result.kind !== "changing") return result;
    const { name } = result;
    const leftMs = untilMs - clock.nowMs();
    if (leftMs <= 0 || closing.aborted) throw changeInProgress(name);
    const isFree = () => mirror.deployment(name)?.value.changing === undefined || undefined;
    await untilMirrored(mirror, clock, leftMs, closing, isFree);
  }
}

/** The edits of a plan, which are not written. Fails with CHANGE_IN_PROGRESS. */
export async function previewEdits({ store }: ControllerParts, plan: EditPlan): Promise<readonly MadeEdit[]> {
  const made = await makeEdits(store, plan);
  if (made.kind === "changing") throw changeInProgress(made.name);
  return made.edits;
}

function changeInProgress(name: string): StatusError {
  const text = `another config is being given to the replicas of deployment "${name}": try again when that is over`;
  return refusal("CHANGE_IN_PROGRESS", text, { retryAfterMs: 1_000, metadata: { deployment: name } });
}
