import type { DeploymentRecord } from "../core/deployment.ts";
import { refusal } from "../core/errors.ts";
import { ofLife } from "../core/lineage.ts";

/** What a request expects of the deployment that it writes. */
export interface Expectations {
  /** 0: there is no deployment of that name; undefined: any generation. */
  readonly expectedGeneration?: bigint | undefined;
  /** Empty: any uid. */
  readonly uid: string;
}

/** Fails with CONFLICT if the deployment is not what the request expects. */
export function expectSame(name: string, before: DeploymentRecord | undefined, { expectedGeneration, uid }: Expectations): void {
  if (uid !== "" && ofLife(before, { uid }) === undefined) {
    throw refusal("CONFLICT", `deployment "${name}" is not the one with uid ${uid}, but ${before?.uid ?? "gone"}: read it again`, {
      metadata: { deployment: name, uid: before?.uid ?? "" },
    });
  }
  const generation = before?.generation ?? 0;
  if (expectedGeneration === undefined || Number(expectedGeneration) === generation) return;
  throw refusal("CONFLICT", `deployment "${name}" is at generation ${generation}, not ${expectedGeneration}: read it again`, {
    metadata: { deployment: name, generation: String(generation) },
  });
}

/**
 * Fails with OTHER_APPLICATION if the deployment belongs to another application. A deployment of
 * none may join one; one that is being deleted is refused for that.
 */
export function expectApplication(before: DeploymentRecord | undefined, application: string, field: string): void {
  const other = before?.deletingSinceMs === undefined ? before?.spec.application : undefined;
  if (before === undefined || other === undefined || other === application) return;
  const { name } = before.spec;
  const description = `must not be "${name}", which is a deployment of application "${other}": choose another name, or delete that deployment`;
  throw refusal("OTHER_APPLICATION", `deployment "${name}" belongs to application "${other}", not "${application}"`, {
    violations: [{ field, description }],
    metadata: { deployment: name, application: other },
  });
}
