import type { DeploymentRecord } from "../deployment.ts";
import type { Ending, FailureCause, Preparation, ReplicaFailure } from "../ending.ts";
import { sameJson } from "../json.ts";
import { advance, hasEnded, type ReplicaRecord } from "../replica.ts";
import type { StartFailure } from "../rollout-failure.ts";
import type { Wait } from "../wait.ts";
import { terminateGraceMs } from "./finish.ts";
import type { SeenReplica } from "./sight.ts";

/** A replica that ran this long was a success: it ends a row of failures. */
export const stableAfterMs = 10_000;
/** After so long a start is worth a word. */
const slowStartMs = 5_000;
/** The most that is kept of a failure's lines, of one line, and of each text in its cause. */
const linesCharsMax = 4_000;
const textCharsMax = 1_000;

/** A replica, moved by what happened to it. */
export interface Settled {
  readonly seen: SeenReplica;
  readonly replica: ReplicaRecord;
  readonly failure?: Failure;
}
export interface Failure {
  readonly failure: StartFailure;
  /** When the replica was asked for. */
  readonly askedAtMs: number;
  /** It never served, or not for long: start the next one later. */
  readonly counts: boolean;
}

/** Moves a replica by what happened to it, apart from what is wanted of it. */
export function settle(seen: SeenReplica, deployment: DeploymentRecord, nowMs: number): Settled {
  const { process, ending } = seen;
  const replica = located(seen);
  const gone = process === "exited" || process === "none";
  const { startupTimeoutMs } = deployment.spec;
  // The silence of a replica that nobody can look at is not held against it.
  const isSilentSince = (sinceMs: number) => process !== "unknown" && nowMs - Math.max(sinceMs, seen.metAtMs) >= startupTimeoutMs;
  const failed = (cause: FailureCause, how: "ended" | "drained"): Settled => {
    const failure: ReplicaFailure = { cause: withShortTexts(cause), lines: how === "ended" ? lastLines(seen.errors) : [] };
    const { id, revision, createdAtMs, readyAtMs } = replica;
    const ranMs = readyAtMs === undefined ? 0 : nowMs - readyAtMs;
    return {
      seen,
      replica:
        how === "ended"
          ? advance(replica, "FAILED", nowMs, { failure })
          : advance(replica, "DRAINING", nowMs, { failure, departure: { kind: "failing" } }),
      failure: {
        failure: { ...failure, replicaId: id, revision },
        askedAtMs: createdAtMs,
        counts: ranMs < Math.max(stableAfterMs, deployment.spec.rollout.minReadyTimeMs),
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
      return { seen, replica: waiting(replica, waitOf(seen, nowMs)) };
    case "RUNNING": {
      if (gone) return ended(ending, true);
      if (seen.answer === "unhealthy" || seen.answer === "refused") return failed(failureOf(seen), "drained");
      // A replica that this controller never heard of has had as long as it would have had to start.
      const silent = seen.answer === "unknown" && isSilentSince(replica.readyAtMs ?? replica.sinceMs);
      return silent ? failed({ kind: "silent", problem: seen.problem }, "drained") : { seen, replica };
    }
    case "DRAINING":
      return { seen, replica: gone ? advance(replica, "STOPPED", nowMs, { ending, killedAfterMs: killedAfterMs(seen, nowMs) }) : replica };
    default:
      return { seen, replica };
  }
}

/** The record with the node and the address that the engine tells. */
function located({ replica, node = replica.node, address = replica.address }: SeenReplica): ReplicaRecord {
  if (hasEnded(replica.state) || (node === replica.node && address === replica.address)) return replica;
  return { ...replica, ...(node !== undefined && { node }), ...(address !== undefined && { address }) };
}

/** How long after SIGTERM it was killed, as it did not end; undefined: it ended by itself. */
function killedAfterMs({ ending, terminatedAtMs }: SeenReplica, nowMs: number): number | undefined {
  if (ending?.kind !== "signal" || ending.signal !== "SIGKILL" || terminatedAtMs === undefined) return undefined;
  return nowMs - terminatedAtMs < terminateGraceMs ? undefined : terminateGraceMs;
}

const failureOf = ({ failure, problem }: SeenReplica): FailureCause => failure ?? { kind: "silent", problem };

/** The packages of a revision cannot be had: as a start that failed. */
export function packagesFailure(revision: number, { ending, lines }: Extract<Preparation, { kind: "failed" }>, nowMs: number): Failure {
  const cause = withShortTexts<FailureCause>({ kind: "ended", ending, served: false });
  return { failure: { cause, lines: lastLines(lines), revision }, askedAtMs: nowMs, counts: true };
}

function waiting(replica: ReplicaRecord, waits: Wait | undefined): ReplicaRecord {
  return sameJson(replica.waits, waits) ? replica : { ...replica, waits };
}

const unplacedOf = ({ unplaced }: SeenReplica): Wait | undefined =>
  unplaced === undefined ? undefined : { kind: "engine", reason: withShortTexts(unplaced) };

/** Why a replica that starts does not serve yet, as far as that is known and worth a word. */
function waitOf({ replica, metAtMs, preparing, problem }: SeenReplica, nowMs: number): Wait | undefined {
  if (preparing !== undefined) return { kind: "packages", ...preparing };
  if (problem === undefined || nowMs - Math.max(replica.sinceMs, metAtMs) < slowStartMs) return undefined;
  return { kind: "notServing", problem: withShortTexts(problem) };
}

/** The last lines that fit: what a program says last is why it ended. */
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

/** A fact with each text in it cut: some come from programs, and what is kept has a bound. */
function withShortTexts<T>(fact: T): T {
  if (typeof fact === "string") return fact.slice(0, textCharsMax) as T;
  if (typeof fact !== "object" || fact === null) return fact;
  if (Array.isArray(fact)) return fact.map(withShortTexts) as T;
  return Object.fromEntries(Object.entries(fact).map(([name, value]) => [name, withShortTexts(value)])) as T;
}
