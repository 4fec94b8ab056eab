import type { Hold } from "../decision.ts";
import type { RolloutFailure, StartFailure } from "../rollout-failure.ts";
import type { NoReplicaExpected } from "../traffic/route.ts";
import { failureInWords } from "./failure-words.ts";
import { plural, seconds } from "./phrases.ts";
import { waitInWords } from "./wait-words.ts";

/** A failure, with the name of what failed. */
export function startFailureInWords(failure: StartFailure): string {
  return `${failure.replicaId ?? `revision ${failure.revision}`} ${failureInWords(failure)}`;
}

/** Why a rollout has failed. */
export function rolloutFailureInWords(failure: RolloutFailure): string {
  switch (failure.kind) {
    case "failedStarts": {
      const last = failure.last === undefined ? "" : `, the last: ${startFailureInWords(failure.last)}`;
      return `${plural(failure.count, "failed start")} in a row${last}`;
    }
    case "progressDeadline": {
      const { last, waiting, deadlineMs } = failure;
      const why = last
        ? `; the last failure: ${startFailureInWords(last)}`
        : waiting
          ? `; ${waiting.replicaId} ${waitInWords(waiting.wait)}`
          : "";
      return `no other replica became available within its progress_deadline of ${seconds(deadlineMs)}${why}`;
    }
    case "earlier":
      return failure.text;
  }
}

/** Why a rollout does nothing. */
export function holdInWords(hold: Hold): string {
  switch (hold.kind) {
    case "paused":
      return `is paused at ${plural(hold.replicas, "replica")} of revision ${hold.revision}`;
    case "backoff":
      return `waits before the next try: ${plural(hold.failedStarts, "failed start")} in a row`;
    case "packages":
      return `waits for the files and packages of revision ${hold.revision} before an old replica is removed`;
    case "room":
      return `waits for room for ${hold.replicaId}`;
    case "blocked":
      return "waits for room, because no replica may be missing";
  }
}

/** Why a deployment will not have a replica soon. */
export function noReplicaExpectedInWords(why: NoReplicaExpected): string {
  return why === "noneWanted" ? "none is wanted: its num_replicas is 0" : "its rollout has failed";
}
