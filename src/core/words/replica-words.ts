import type { ReplicaRecord } from "../replica.ts";
import { endingInWords } from "./ending-words.ts";
import { configProblemInWords, failureInWords } from "./failure-words.ts";
import { seconds } from "./phrases.ts";
import { waitInWords } from "./wait-words.ts";

/** Why a replica is removed. */
function departureInWords({ departure, failure }: Pick<ReplicaRecord, "departure" | "failure">): string {
  switch (departure?.kind) {
    case "scaledDown":
      return "scaled down";
    case "replaced":
      return `replaced by revision ${departure.by}`;
    case "replacedFirst":
      return `replaced by revision ${departure.by}; removed first, because a new one can start only in its place`;
    case "deleted":
      return "its deployment is being deleted";
    case "failing":
      return failure === undefined ? "it does not work" : failureInWords(failure);
    case "unknownConfig":
      return `has no known config${departure.problem === undefined ? "" : `: ${configProblemInWords(departure.problem)}`}`;
    case "neverStarted":
      return endingInWords({ kind: "neverStarted" });
    case "earlier":
      return departure.text;
    case undefined:
      return "";
  }
}

/**
 * What a replica's record says about its state. Empty: nothing. `silent`: the replica has said
 * nothing for so long that it gets no requests.
 */
export function replicaInWords(replica: ReplicaRecord, silent = false): string {
  const { state, waits, departure, failure, killedAfterMs } = replica;
  if (state === "FAILED" && failure !== undefined) return failureInWords(failure);
  if (state === "RUNNING" && silent) return "it answers nothing, and gets no requests until it does";
  if (departure === undefined) return waits === undefined ? "" : waitInWords(waits);
  const killed = killedAfterMs === undefined ? "" : `; it was killed, because it did not end within ${seconds(killedAfterMs)} of SIGTERM`;
  return `${departureInWords(replica)}${killed}`;
}
