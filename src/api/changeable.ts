import type { DeploymentRecord } from "../core/deployment.ts";
import { refusal, StatusError } from "../core/errors.ts";
import type { ControllerParts } from "./controller-parts.ts";
import { type Mutation, mutate } from "./mutations.ts";
import { notFound } from "./refusals.ts";
import { untilTold } from "./until-told.ts";

/** How long a change waits for the end of a change of config. */
const waitMaxMs = 20_000;

/** Changes a deployment that is there. Fails with DEPLOYMENT_NOT_FOUND, DEPLOYMENT_DELETING and CHANGE_IN_PROGRESS. */
export async function changeExisting(
  parts: ControllerParts,
  name: string,
  { change, beside }: Pick<Mutation, "beside"> & { readonly change: (before: DeploymentRecord) => DeploymentRecord },
): Promise<DeploymentRecord> {
  const once = () =>
    mutate(parts.store, { name, change: (before) => change(changeable(before ?? notFound(name))), ...(beside && { beside }) });
  const result = await oneAfterTheOther(parts, once);
  if (result.kind === "done" && result.record !== undefined) return result.record;
  throw new Error("a change of a deployment leaves one");
}

/** The record itself, unless it takes no change now. */
export function changeable(record: DeploymentRecord): DeploymentRecord {
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

/** Does it, if need be once the change of config that is in its way is over; that is waited for a while. */
export async function oneAfterTheOther<T>({ mirror, clock, closing }: ControllerParts, act: () => Promise<T>): Promise<T> {
  const untilMs = clock.nowMs() + waitMaxMs;
  for (;;) {
    try {
      return await act();
    } catch (cause) {
      const name = cause instanceof StatusError && cause.reason === "CHANGE_IN_PROGRESS" ? cause.facts.metadata?.deployment : undefined;
      const leftMs = untilMs - clock.nowMs();
      if (name === undefined || leftMs <= 0 || closing.aborted) throw cause;
      await untilTold(mirror, clock, leftMs, closing, () => mirror.deployment(name)?.value.changing === undefined);
    }
  }
}
