import type { Deployment } from "../../gen/drover/v1/deployment_pb.ts";
import { failureLines } from "./failure.ts";
import type { Session } from "./session.ts";
import { write } from "./write.ts";

/** A deployment to delete. */
export interface DeleteTarget {
  readonly name: string;
  /** Delete only the deployment with this uid. Undefined: whichever has the name. */
  readonly uid?: string;
}

/** The deployments as they are now, to be deleted or waited for. */
export const targetsOf = (deployments: readonly Deployment[]): readonly DeleteTarget[] =>
  deployments.map(({ spec, uid }) => ({ name: spec?.name ?? "", uid }));

/** What became of deployments that were to be deleted. */
export interface DeleteOutcome {
  readonly deleting: readonly Deployment[];
  /** Names of which there was no deployment. */
  readonly missing: readonly string[];
  /** The lines that show what failed. */
  readonly failures: readonly string[];
}

/** Begins to delete deployments, one after the other. One that fails does not stop the others. */
export async function deleteDeployments(
  session: Session,
  targets: readonly DeleteTarget[],
  { allowMissing }: { readonly allowMissing: boolean },
): Promise<DeleteOutcome> {
  const deleting: Deployment[] = [];
  const missing: string[] = [];
  const failures: string[] = [];
  for (const { name, uid = "" } of targets) {
    try {
      const { deployment } = await write(session, (requestId, options) =>
        session.controller().deleteDeployment({ name, uid, allowMissing, requestId }, options),
      );
      if (deployment) deleting.push(deployment);
      else missing.push(name);
    } catch (error) {
      failures.push(...failureLines(error, session.called));
    }
  }
  return { deleting, missing, failures };
}
