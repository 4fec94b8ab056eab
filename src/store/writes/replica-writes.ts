import type { ReplicaRecord } from "../../core/replica.ts";
import type { Write } from "../store.ts";

/** A replica as it is to be; `version` is what the writer read, 0: it is new. */
export function putReplica(value: ReplicaRecord, version: number): Write {
  return { put: "replica", key: value.id, version, value };
}

/** A replica that is not kept any more. */
export function forgetReplica(id: string, version: number): Write {
  return { delete: "replica", key: id, version };
}
