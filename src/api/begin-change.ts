import type { DeploymentRecord, DeploymentSpec } from "../core/deployment.ts";
import { changing } from "../core/generations.ts";
import type { ControllerParts } from "./controller-parts.ts";
import type { Edit } from "./edits.ts";

const idLength = 16;

export interface ChangeOptions {
  /** Whether the replicas only check the config, and nothing changes. */
  readonly dryRun: boolean;
  readonly author: string;
}

/**
 * The edit that begins a change to the config of `spec`. The leader carries the change out, and
 * commits `spec` with it.
 */
export function beginningChange(
  { random }: Pick<ControllerParts, "random">,
  before: DeploymentRecord,
  spec: DeploymentSpec,
  { dryRun, author }: ChangeOptions,
): Edit {
  const id = random.id(idLength);
  const after = changing(before, id, dryRun);
  const generation = after.newestConfigGeneration + (dryRun ? 1 : 0);
  const { uid } = before;
  const deployment = before.spec.name;
  return {
    after,
    begins: { uid, deployment, id, generation, spec, dryRun, author, step: "PREPARE", replicas: [] },
  };
}
