import { type ActingTime, elapsedMs } from "../acting-time.ts";
import type { DeploymentRecord } from "../deployment.ts";
import type { Ending, FailureCause, Preparation, ReplicaFailure } from "../ending.ts";
import { sameJson } from "../json.ts";
import { advance, hasEnded, type ReplicaRecord } from "../replica.ts";
import type { StartFailure } from "../rollout-failure.ts";
import type { Wait } from "../wait.ts";
import { terminateGraceMs } from "./finish.ts";
import type { SeenReplica } from "./sight.ts";

/** A replica that ran this long is a success: it ends a row of failures. */
export const stableAfterMs = 10_000;
/** After this time, a start is slow enough to say why. */
const slowStartMs = 5_000;
/** The most characters kept of a failure's lines, and of one line or one text in its cause. */
const linesCharsMax = 4_000;
const textCharsMax = 1_000;

/** A replica after it was moved by what happened to it. */
export interface Settled {
  readonly seen: SeenReplica;
  readonly replica: ReplicaRecord;
  readonly failure?: Failure;
}
export interface Failure {
  readonly failure: StartFailure;
  /** When the replica was created. */
  readonly askedAtMs: number;
  /**
   * `revision`: the replica never served, or not for long: the next start waits, and the revision
   * has one more failed start. `machine`: the machine could not start it: the next start waits.
   * `nothing`: it had served for long.
   */
  readonly counts: "revision" | "machine" | "nothing";
}

/** Moves a replica by what happened to it, independent of what is wanted. */
export function settle(seen: SeenReplica, deployment: DeploymentRecord, time: ActingTime): Settled {
  const { nowMs } = time;
  const { process, ending } = seen;
  const replica = located(seen);
  const gone = process === "exited" || process === "none";
  const { startupTimeoutMs } = deployment.spec;
  // If a process cannot be observed, its silence is no failure.
  const isSilentSince = (sinceMs: number) =>
    process !== "unknown" && elapsedMs(Math.max(sinceMs, seen.contactSinceMs), time) >= startupTimeoutMs;
  const failed = (cause: FailureCause, how: "ended" | "drained"): Settled => {
    const failure: ReplicaFailure = { cause: withShortTexts(cause), lines: how === "ended" ? lastLines(seen.errors) : [] };
    const { id, revision, createdAtMs, readyAtMs } = replica;
    const ranMs = readyAtMs === undefined ? 0 : elapsedMs(readyAtMs, time);
    return {
      seen,
      replica:
        how === "ended"
          ? advance(replica, "FAILED", nowMs, { failure })
          : advance(replica, "DRAINING", nowMs, { failure, departure: { kind: "failing" } }),
      failure: {
        failure: { ...failure, replicaId: id, revision },
        askedAtMs: createdAtMs,
        counts: ranMs < Math.max(stableAfterMs, deployment.spec.rollout.minReadyTimeMs) ? blameOf(cause) : "nothing",
      },
    };
  };
  const ended = (how: Ending | undefined, served: boolean) =>
    failed({ kind: "ended", ending: how ?? { kind: "unknown" }, served }, "ended");
  switch (replica.state) {
    case "PENDING":
      if (gone && ending !== undefined) return ended(ending, false);
      if (process === "alive") return { seen, replica: advance(replica, "STARTING", nowMs) };
      return { seen, replica: process === "waiting" ? waiting(replica, unplacedOf(seen)) : replica };
    case "STARTING":
      if ((process === "none" && ending === undefined) || ending?.kind === "neverStarted")
        return { seen, replica: advance(replica, "STOPPED", nowMs, { departure: { kind: "neverStarted" } }) };
      if (gone) return ended(ending, false);
      if (seen.answer === "refused") return failed(failureOf(seen), "ended");
      if (seen.answer === "ready") return { seen, replica: seen.configured ? advance(replica, "RUNNING", nowMs) : replica };
      if (isSilentSince(replica.sinceMs))
        return failed({ kind: "startupTimeout", timeoutMs: startupTimeoutMs, problem: seen.problem }, "ended");
      return { seen, replica: waiting(replica, waitOf(seen, time)) };
    case "RUNNING": {
      if (gone) return ended(ending, true);
      if (seen.answer === "unhealthy" || seen.answer === "refused") return failed(failureOf(seen), "drained");
      // A RUNNING replica that never answered this controller gets the time that a start would get.
      const silent = seen.answer === "unknown" && isSilentSince(replica.readyAtMs ?? replica.sinceMs);
      return silent ? failed({ kind: "silent", problem: seen.problem }, "drained") : { seen, replica };
    }
    case "DRAINING":
      return { seen, replica: gone ? advance(replica, "STOPPED", nowMs, { ending, killedAfterMs: killedAfterMs(seen, time) }) : replica };
    default:
      return { seen, replica };
  }
}

/** The record with the node and the address that the engine reports. */
function located({ replica, node = replica.node, address = replica.address }: SeenReplica): ReplicaRecord {
  if (hasEnded(replica.state) || (node === replica.node && address === replica.address)) return replica;
  return { ...replica, ...(node !== undefined && { node }), ...(address !== undefined && { address }) };
}

/** How long after SIGTERM the process was killed. Undefined: it ended by itself. */
function killedAfterMs({ ending, terminatedAtMs }: SeenReplica, time: ActingTime): number | undefined {
  if (ending?.kind !== "signal" || ending.signal !== "SIGKILL" || terminatedAtMs === undefined) return undefined;
  return elapsedMs(terminatedAtMs, time) < terminateGraceMs ? undefined : terminateGraceMs;
}

const blameOf = (cause: FailureCause): Failure["counts"] =>
  cause.kind === "ended" && cause.ending.kind === "failedToStart" && cause.ending.shortage === true ? "machine" : "revision";

const failureOf = ({ failure, problem }: SeenReplica): FailureCause => failure ?? { kind: "silent", problem };

/** A failed installation of a revision's packages, as a failed start. */
export function packagesFailure(revision: number, { ending, lines }: Extract<Preparation, { kind: "failed" }>, nowMs: number): Failure {
  const cause = withShortTexts<FailureCause>({ kind: "ended", ending, served: false });
  return { failure: { cause, lines: lastLines(lines), revision }, askedAtMs: nowMs, counts: "revision" };
}

function waiting(replica: ReplicaRecord, waits: Wait | undefined): ReplicaRecord {
  return sameJson(replica.waits, waits) ? replica : { ...replica, waits };
}

const unplacedOf = ({ unplaced }: SeenReplica): Wait | undefined =>
  unplaced === undefined ? undefined : { kind: "engine", reason: withShortTexts(unplaced) };

/** Why a STARTING replica does not serve yet, if known and worth saying. */
function waitOf({ replica, contactSinceMs, preparing, problem }: SeenReplica, time: ActingTime): Wait | undefined {
  if (preparing !== undefined) return { kind: "packages", ...preparing };
  if (problem === undefined || elapsedMs(Math.max(replica.sinceMs, contactSinceMs), time) < slowStartMs) return undefined;
  return { kind: "notServing", problem: withShortTexts(problem) };
}

/** The last lines that fit: why a program ended is usually in its last lines. */
function lastLines(lines: readonly string[]): readonly string[] {
  const kept: string[] = [];
  let chars = 0;
  for (const line of lines.map((line) => line.slice(0, textCharsMax)).reverse()) {
    chars += line.length + 1;
    if (chars > linesCharsMax) break;
    kept.unshift(line);
  }
  return kept;
}

/**
 * The fact with each of its texts cut, because some come from programs, and what is stored has a
 * bound.
 */
function withShortTexts<T>(fact: T): T {
  if (typeof fact === "string") return fact.slice(0, textCharsMax) as T;
  if (typeof fact !== "object" || fact === null) return fact;
  if (Array.isArray(fact)) return fact.map(withShortTexts) as T;
  return Object.fromEntries(Object.entries(fact).map(([name, value]) => [name, withShortTexts(value)])) as T;
}
