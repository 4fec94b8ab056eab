import type { DeploymentRecord } from "../../core/deployment.ts";
import type { Mirror } from "../mirror.ts";
import type { Entry, Write } from "../store.ts";
import { configWrites } from "./config-writes.ts";
import { revisionWrites } from "./revision-writes.ts";

/**
 * Writes a deployment, with the records of its revision and its config if those are new. `before`:
 * what the writer read. `author`: who asked for the write; empty: the controller itself.
 */
export function deploymentWrites(
  mirror: Mirror,
  after: DeploymentRecord,
  before: Pick<Entry<"deployment">, "version" | "value"> | undefined,
  author: string,
): readonly Write[] {
  return [
    { put: "deployment", key: after.spec.name, version: before?.version ?? 0, value: after },
    ...revisionWrites(mirror, after, before?.value),
    ...configWrites(mirror, after, before?.value, author),
  ];
}
