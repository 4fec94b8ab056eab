import type { ReplicaRecord } from "../../core/replica.ts";
import type { Write } from "../store.ts";

/** Writes a replica. `version`: the version that the writer read; 0: it is new. */
export function putReplica(value: ReplicaRecord, version: number): Write {
  return { put: "replica", key: value.id, version, value };
}

/** Deletes a replica's record. */
export function forgetReplica(id: string, version: number): Write {
  return { delete: "replica", key: id, version };
}
