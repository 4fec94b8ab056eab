import { type Config, committedConfig } from "../core/config-change.ts";
import type { ReplicaRecord } from "../core/replica.ts";
import type { Mirror } from "../store/mirror.ts";

/** What a replica is to serve by. */
export interface WantedConfig {
  readonly config: Config;
  /** It is given another one just now, so it is left alone. */
  readonly changing: boolean;
}

/** What a replica is to serve by, as the state is now; undefined: nothing is known of it. */
export function wantedConfig(mirror: Mirror, replica: ReplicaRecord): WantedConfig | undefined {
  const deployment = mirror.ownerOf(replica)?.value;
  if (deployment === undefined) return undefined;
  const find = (revision: number) => mirror.lineage(deployment).revision(revision)?.value;
  const config = committedConfig(deployment, replica.revision, find);
  const changing = deployment.changing !== undefined && deployment.revision === replica.revision && replica.state === "RUNNING";
  return config && { config, changing };
}
