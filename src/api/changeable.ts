import type { DeploymentRecord } from "../core/deployment.ts";
import { refusal } from "../core/errors.ts";
import type { Store } from "../store/store.ts";
import { mutate } from "./mutations.ts";

/** Changes a deployment that is there. Fails with DEPLOYMENT_NOT_FOUND and DEPLOYMENT_DELETING. */
export async function changeExisting(
  store: Store,
  name: string,
  change: (before: DeploymentRecord) => DeploymentRecord,
): Promise<DeploymentRecord> {
  const result = await mutate(store, { name, change: (before) => change(changeable(before ?? notFound(name))) });
  if (result.kind === "done" && result.record !== undefined) return result.record;
  throw new Error("a change of a deployment leaves one");
}

/** The record itself, unless it takes no change any more. */
export function changeable(record: DeploymentRecord): DeploymentRecord {
  if (record.deletingSinceMs === undefined) return record;
  const { name } = record.spec;
  throw refusal("DEPLOYMENT_DELETING", `deployment "${name}" is being deleted: wait until it is gone`, {
    retryAfterMs: 1_000,
    metadata: { deployment: name },
  });
}

export function notFound(name: string): never {
  throw refusal("DEPLOYMENT_NOT_FOUND", `no deployment "${name}"`, { metadata: { deployment: name } });
}
