import { committedConfig, type ReplicaConfig } from "../core/config-change.ts";
import type { ReplicaRecord } from "../core/replica.ts";
import type { Mirror } from "../store/mirror.ts";

/** The config that a replica should have. */
export interface WantedConfig {
  readonly config: ReplicaConfig;
  /** A change of config is calling the replica, so its link leaves it alone. */
  readonly changing: boolean;
}

/**
 * The config that a replica should have in the present state. Undefined: its deployment or revision
 * is not known.
 */
export function wantedConfig(mirror: Mirror, replica: ReplicaRecord): WantedConfig | undefined {
  const deployment = mirror.ownerOf(replica)?.value;
  if (deployment === undefined) return undefined;
  const find = (revision: number) => mirror.lineage(deployment).revision(revision)?.value;
  const config = committedConfig(deployment, replica.revision, find);
  const changing = deployment.changing !== undefined && deployment.revision === replica.revision && replica.state === "RUNNING";
  return config && { config, changing };
}
