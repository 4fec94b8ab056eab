import type { DeploymentRecord, DeploymentSpec } from "../../../src/core/deployment.ts";
import type { Deed, Facts, Verdict, Written } from "./facts.ts";

/** What a revision runs: its program, files, packages and variables. */
export const programText = ({ program, runtimeEnv }: Pick<DeploymentSpec, "program" | "runtimeEnv">): string =>
  JSON.stringify([program, runtimeEnv]);

/** The program of each text that was written. */
export const revisionKey = ({ uid, revision }: Pick<DeploymentRecord, "uid" | "revision">): string => `${uid}/${revision}`;

/**
 * I12. A replica is started with the program, the bundle and the packages that its revision was
 * made with.
 */
export function startsItsRevision({ ledger }: Facts, { replicaId, assignment }: Deed): Verdict {
  if (assignment === undefined) return undefined;
  const was = ledger.programs.get(revisionKey(assignment));
  const is = programText(assignment);
  if (was === is) return undefined;
  return { invariant: "I12", text: `${replicaId} of revision ${assignment.revision} is started with ${is}, and its revision is ${was}` };
}

/** I12. A revision never becomes another program: neither by a change nor by a rollback. */
export function revisionsStay({ ledger }: Facts, { writes }: Written): Verdict {
  for (const write of writes) {
    if (!("put" in write) || (write.put !== "deployment" && write.put !== "revision")) continue;
    const was = ledger.programs.get(revisionKey(write.value));
    const is = programText(write.value.spec);
    if (was === undefined || was === is) continue;
    return { invariant: "I12", text: `revision ${write.value.revision} of ${write.key} was ${was}, and became ${is}` };
  }
  return undefined;
}

/** I12. What a sweep takes for needed has the bundles of all deployments and of all kept revisions. */
export function bundlesStay({ objects }: Facts["ledger"], needed: ReadonlySet<string>): Verdict {
  for (const [id, json] of objects) {
    if (!id.startsWith("deployment/") && !id.startsWith("revision/")) continue;
    const { bundle } = (JSON.parse(json) as Pick<DeploymentRecord, "spec">).spec.runtimeEnv;
    if (bundle !== undefined && !needed.has(bundle)) return { invariant: "I12", text: `the bundle of ${id} is dropped` };
  }
  return undefined;
}
