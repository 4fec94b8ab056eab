import type { DeploymentRecord } from "../deployment.ts";
import { advance, type ReplicaRecord } from "../replica.ts";
import { terminateGraceMs } from "./finish.ts";
import type { SeenReplica } from "./sight.ts";

/** A replica that ran this long was a success: it ends a row of failures. */
export const stableAfterMs = 10_000;
/** The exit of a replica whose controller ended before its process was started. */
export const neverStarted = "never started";
/** After so long a start is worth a word. */
const slowStartMs = 5_000;
/** The longest failure text kept, and the longest line of it. */
const failureCharsMax = 4_000;
const lineCharsMax = 1_000;

/** A replica, moved by what happened to it. */
export interface Settled {
  readonly seen: SeenReplica;
  readonly replica: ReplicaRecord;
  readonly failure?: Failure;
}
export interface Failure {
  readonly revision: number;
  /** When the replica was asked for. */
  readonly askedAtMs: number;
  readonly text: string;
  /** It never served, or not for long: start the next one later. */
  readonly counts: boolean;
}

/** Moves a replica by what happened to it, apart from what is wanted of it. */
export function settle(seen: SeenReplica, deployment: DeploymentRecord, nowMs: number): Settled {
  const { replica, process } = seen;
  const gone = process === "exited" || process === "none";
  const fail = (cause: string): Settled => {
    const text = [cause.slice(0, lineCharsMax), ...lastLines(seen.errors)].join("\n");
    const ranMs = replica.readyAtMs === 0 ? 0 : nowMs - replica.readyAtMs;
    return {
      seen,
      replica: advance(replica, "FAILED", nowMs, { message: text }),
      failure: {
        ...tryOf(replica),
        text: `${replica.id} ${text}`,
        counts: ranMs < Math.max(stableAfterMs, deployment.spec.rollout.minReadyTimeMs),
      },
    };
  };
  switch (replica.state) {
    case "PENDING":
      return seen.exit === "" ? { seen, replica } : fail(seen.exit);
    case "STARTING":
      if ((process === "none" && seen.exit === "") || seen.exit === neverStarted)
        return { seen, replica: advance(replica, "STOPPED", nowMs, { message: "the controller ended before it was started" }) };
      if (gone) return fail(seen.exit.startsWith("could not") ? seen.exit : `ended before it served (${seen.exit})${remedyOf(seen.exit)}`);
      if (seen.answer === "refused") return fail(seen.reason);
      if (seen.answer === "ready") return { seen, replica: seen.configured ? advance(replica, "RUNNING", nowMs) : replica };
      if (nowMs - Math.max(replica.sinceMs, seen.metAtMs) >= deployment.spec.startupTimeoutMs) {
        return fail(
          `did not serve within its startup_timeout of ${deployment.spec.startupTimeoutMs / 1000} s${seen.reason === "" ? "" : ` (${seen.reason})`}`,
        );
      }
      return { seen, replica: saying(replica, seen.preparing || slowStart(seen, nowMs)) };
    case "RUNNING": {
      if (gone) return fail(endText(seen.exit));
      // One that this controller never heard of has had as long as it would have had to start.
      const mute = seen.answer === "unknown" && nowMs - Math.max(replica.readyAtMs, seen.metAtMs) >= deployment.spec.startupTimeoutMs;
      if (seen.answer === "unhealthy" || seen.answer === "refused" || mute) {
        const reason = mute ? `unhealthy: it does not answer this controller${seen.reason === "" ? "" : ` (${seen.reason})`}` : seen.reason;
        const text = `${replica.id} ${reason}`;
        return {
          seen,
          replica: advance(replica, "DRAINING", nowMs, { message: reason, failing: true }),
          failure: {
            ...tryOf(replica),
            text,
            counts: nowMs - replica.readyAtMs < Math.max(stableAfterMs, deployment.spec.rollout.minReadyTimeMs),
          },
        };
      }
      return { seen, replica };
    }
    case "DRAINING":
      return {
        seen,
        replica: gone ? advance(replica, "STOPPED", nowMs, { message: `${replica.message}${howKilled(seen, nowMs)}` }) : replica,
      };
    default:
      return { seen, replica };
  }
}

/** That it did not end when it was told to. */
function howKilled({ exit, terminatedAtMs }: SeenReplica, nowMs: number): string {
  if (exit !== "signal SIGKILL" || terminatedAtMs === 0 || nowMs - terminatedAtMs < terminateGraceMs) return "";
  return `; it was killed, as it did not end within ${terminateGraceMs / 1_000} s of SIGTERM`;
}

const tryOf = ({ revision, createdAtMs }: ReplicaRecord) => ({ revision, askedAtMs: createdAtMs });

/** The packages of a revision cannot be had: as a start that failed. */
export function packagesFailure(revision: number, reason: string, lines: readonly string[], nowMs: number): Failure {
  return { revision, askedAtMs: nowMs, text: [`revision ${revision} ${reason}`, ...lastLines(lines)].join("\n"), counts: true };
}

const saying = (replica: ReplicaRecord, message: string) => (replica.message === message ? replica : { ...replica, message });

/** Why one that has been starting for a while does not serve yet, as far as that is known. */
function slowStart({ replica, metAtMs, reason }: SeenReplica, nowMs: number): string {
  return nowMs - Math.max(replica.sinceMs, metAtMs) < slowStartMs ? "" : reason;
}

/** How one that ran ended: by itself, or for a reason that stands for itself. */
function endText(exit: string): string {
  if (exit === "") return "ended by itself (its process is gone)";
  return /^(exit code|signal|ended)/.test(exit) ? `ended by itself (${exit})` : `ended: ${exit}`;
}

/** What to do about an end that looks well. */
const remedyOf = (exit: string): string =>
  exit === "exit code 0" ? ": a program is to stay in the foreground and serve at DROVER_LISTEN" : "";

/** The last lines that fit: what a program says last is why it ended. */
function lastLines(lines: readonly string[]): readonly string[] {
  const kept: string[] = [];
  let chars = 0;
  for (const line of lines.map((line) => line.slice(0, lineCharsMax)).reverse()) {
    chars += line.length + 1;
    if (chars > failureCharsMax) break;
    kept.unshift(line);
  }
  return kept;
}
