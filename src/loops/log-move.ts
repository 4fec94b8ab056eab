import { sameJson } from "../core/json.ts";
import type { ReplicaRecord } from "../core/replica.ts";
import { replicaInWords } from "../core/words/replica-words.ts";
import type { Log } from "../log/log.ts";

/** What a log line says of a replica. */
const loggedOf = ({ state, waits, departure, failure, killedAfterMs }: ReplicaRecord) => ({
  state,
  waits,
  departure,
  failure,
  killedAfterMs,
});

/** Logs what has become of a replica. A new node or address alone is not logged. */
export function logMove(before: ReplicaRecord | undefined, replica: ReplicaRecord, log: Log): void {
  if (before !== undefined && sameJson(loggedOf(before), loggedOf(replica))) return;
  const { id, deployment, state } = replica;
  const message = replicaInWords(replica);
  log[state === "FAILED" ? "warn" : "info"]({ deployment, replica: id, state, ...(message === "" ? {} : { message }) }, "replica");
}
