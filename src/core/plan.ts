import { backoffMs } from "./backoff.ts";
import type { DeploymentRecord, ProgressRecord } from "./deployment.ts";
import { sameJson } from "./json.ts";
import { fits } from "./placement.ts";
import { advance, counts, hasEnded, type ReplicaRecord } from "./replica.ts";
import type { Capacity, Holding, Resources } from "./resources.ts";
import { availableMin, defaultBounds, replicasMax } from "./rollout.ts";
import { targetOf } from "./status.ts";

/** What is observed of one replica. "Don't know" is `unknown`, never a guess. */
export interface SeenReplica {
  readonly replica: ReplicaRecord;
  /** Its process: `none` is one the engine has never had, or has forgotten. */
  readonly process: "none" | "alive" | "exited" | "unknown";
  /** How the process ended, or why it could not be started; for a person. */
  readonly exit: string;
  /** The last lines of its standard error; known once it has failed. */
  readonly errors: readonly string[];
  /** Since when this controller talks to it, so that time without a controller does not count as its own. */
  readonly metAtMs: number;
  /** When it was told to terminate; 0: not yet. */
  readonly terminatedAtMs: number;
  /** What it answers: `ready` took its config and serves, `refused` never will, `unhealthy` failed too many checks. */
  readonly answer: "unknown" | "ready" | "refused" | "unhealthy";
  /** Why, for `refused` and `unhealthy`. */
  readonly reason: string;
  /** Requests in work; undefined: not reported. */
  readonly ongoing: number | undefined;
  /** Whether it can be given requests now. */
  readonly routable: boolean;
  /** It said that nothing is ongoing any more since it was told to drain. */
  readonly drained: boolean;
}

/** A deed for the loop to do. */
export type Action =
  /** Ask for one more replica of the wanted revision. */
  | { readonly kind: "create" }
  /** Write the replica as it is to be. */
  | { readonly kind: "move"; readonly replica: ReplicaRecord }
  /** Ask its process to end, or end its whole group. */
  | { readonly kind: "terminate" | "kill"; readonly replicaId: string }
  /** Remove what is left of a replica that has ended. */
  | { readonly kind: "forget"; readonly replicaId: string }
  /** Write how far we have come. */
  | { readonly kind: "progress"; readonly progress: ProgressRecord }
  /** Remove the deployment: nothing of it is left. */
  | { readonly kind: "erase" };

/** From SIGTERM until SIGKILL. */
export const terminateGraceMs = 5_000;
/** A replica that ran this long was a success: it ends a row of failures. */
export const stableAfterMs = 10_000;
/** How long replicas that were stopped stay listed. */
export const stoppedKeptMs = 30_000;
/** How long, and how many, replicas that failed stay listed. */
export const failedKeptMs = 600_000;
export const failedKeptMax = 3;
/** How many healthy revisions are remembered. */
const healthyKeptMax = 20;
/** The longest failure text kept, and the longest line of it. */
const failureCharsMax = 4_000;
const lineCharsMax = 1_000;

export interface PlanInput {
  readonly deployment: DeploymentRecord;
  readonly progress: ProgressRecord | undefined;
  readonly seen: readonly SeenReplica[];
  /** What the machine has, and what replicas of all deployments hold of it. */
  readonly capacity: Capacity;
  readonly held: readonly (Holding & { readonly id: string })[];
  readonly nowMs: number;
  /** Uniform in [0, 1), for the jitter of a retry. */
  readonly draw: number;
}

/** What to do now for one deployment, from what is wanted and what is seen. With nothing new to see, a plan that was applied is empty. */
export function plan(input: PlanInput): readonly Action[] {
  const { deployment, nowMs } = input;
  const settled = input.seen.map((seen) => settle(seen, deployment, nowMs));
  const replicas = settled.map(({ replica }) => replica);
  const failures = settled.flatMap(({ failure }) => failure ?? []);
  const before = currentProgress(input.progress, deployment);
  const failing = noteFailures(before, failures, nowMs, input.draw);
  const moved = choose(input, failing, settled);
  const after = noteSuccess(failing, deployment, moved.replicas, nowMs);
  return [
    ...moved.replicas
      .filter((replica, index) => replica !== input.seen[index]?.replica)
      .map((replica): Action => ({ kind: "move", replica })),
    ...Array.from({ length: moved.create }, (): Action => ({ kind: "create" })),
    ...input.seen.flatMap((seen) => finish(seen, deployment, nowMs)),
    ...surplusRecords(input.seen, nowMs),
    ...(sameJson(input.progress, after) ? [] : [{ kind: "progress", progress: after } as const]),
    ...(deployment.deletingSinceMs !== undefined && replicas.length === 0 ? [{ kind: "erase" } as const] : []),
  ];
}

interface Settled {
  readonly seen: SeenReplica;
  readonly replica: ReplicaRecord;
  readonly failure?: Failure;
}
interface Failure {
  readonly replica: ReplicaRecord;
  readonly text: string;
  /** It never served, or not for long: start the next one later. */
  readonly counts: boolean;
}

/** Moves a replica by what happened to it, apart from what is wanted of it. */
function settle(seen: SeenReplica, deployment: DeploymentRecord, nowMs: number): Settled {
  const { replica, process } = seen;
  const gone = process === "exited" || process === "none";
  const fail = (cause: string): Settled => {
    const text = [cause.slice(0, lineCharsMax), ...lastLines(seen.errors)].join("\n");
    const ranMs = replica.readyAtMs === 0 ? 0 : nowMs - replica.readyAtMs;
    return {
      seen,
      replica: advance(replica, "FAILED", nowMs, { message: text }),
      failure: { replica, text: `${replica.id} ${text}`, counts: ranMs < stableAfterMs },
    };
  };
  switch (replica.state) {
    case "STARTING":
      if (process === "none" && seen.exit === "")
        return { seen, replica: advance(replica, "STOPPED", nowMs, { message: "the controller ended before it was started" }) };
      if (gone) return fail(seen.exit.startsWith("could not") ? seen.exit : `ended before it served (${seen.exit})`);
      if (seen.answer === "refused") return fail(seen.reason);
      if (seen.answer === "ready") return { seen, replica: advance(replica, "RUNNING", nowMs) };
      if (nowMs - Math.max(replica.sinceMs, seen.metAtMs) >= deployment.spec.startupTimeoutMs) {
        return fail(
          `did not serve within its startup_timeout of ${deployment.spec.startupTimeoutMs / 1000} s${seen.reason === "" ? "" : ` (${seen.reason})`}`,
        );
      }
      return { seen, replica };
    case "RUNNING": {
      if (gone) return fail(`ended by itself (${seen.exit === "" ? "its process is gone" : seen.exit})`);
      // One that this controller never heard of has had as long as it would have had to start.
      const mute = seen.answer === "unknown" && nowMs - Math.max(replica.readyAtMs, seen.metAtMs) >= deployment.spec.startupTimeoutMs;
      if (seen.answer === "unhealthy" || seen.answer === "refused" || mute) {
        const reason = mute ? `unhealthy: it does not answer this controller${seen.reason === "" ? "" : ` (${seen.reason})`}` : seen.reason;
        const text = `${replica.id} ${reason}`;
        return {
          seen,
          replica: advance(replica, "DRAINING", nowMs, { message: reason }),
          failure: { replica, text, counts: nowMs - replica.readyAtMs < stableAfterMs },
        };
      }
      return { seen, replica };
    }
    case "DRAINING":
      return { seen, replica: gone ? advance(replica, "STOPPED", nowMs, { message: replica.message }) : replica };
    default:
      return { seen, replica };
  }
}

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

/** Progress of the revision that is wanted now; a new one starts afresh. */
function currentProgress(progress: ProgressRecord | undefined, deployment: DeploymentRecord): ProgressRecord {
  const ours = progress?.uid === deployment.uid ? progress : undefined;
  const settled = ours?.settled ?? { revision: 0, target: 0 };
  const healthyRevisions = ours?.healthyRevisions ?? [];
  const fresh = { failedStarts: 0, failedAtMs: 0, retryAtMs: 0, everRan: false, lastFailure: "" };
  const kept = ours?.revision === deployment.revision ? ours : fresh;
  return {
    ...kept,
    uid: deployment.uid,
    observedGeneration: deployment.generation,
    revision: deployment.revision,
    settled,
    healthyRevisions,
  };
}

function noteFailures(progress: ProgressRecord, failures: readonly Failure[], nowMs: number, draw: number): ProgressRecord {
  const ours = failures.filter(({ replica }) => replica.revision === progress.revision);
  const last = ours.at(-1);
  if (last === undefined) return progress;
  const told = { ...progress, lastFailure: last.text };
  // Replicas asked for before the last failure belong to the try that failed then.
  const anew = ours.some(({ replica, counts }) => counts && replica.createdAtMs >= progress.failedAtMs);
  if (!anew) return told;
  const failedStarts = progress.failedStarts + 1;
  return { ...told, failedStarts, failedAtMs: nowMs, retryAtMs: nowMs + backoffMs(failedStarts, draw) };
}

function noteSuccess(
  progress: ProgressRecord,
  deployment: DeploymentRecord,
  replicas: readonly ReplicaRecord[],
  nowMs: number,
): ProgressRecord {
  const running = replicas.filter(({ state, revision }) => state === "RUNNING" && revision === deployment.revision);
  const stable = running.some(({ readyAtMs }) => readyAtMs >= progress.failedAtMs && nowMs - readyAtMs >= stableAfterMs);
  const calm = stable ? { failedStarts: 0, failedAtMs: 0, retryAtMs: 0 } : {};
  const target = targetOf(deployment);
  const whole = running.length === target && replicas.every(({ state, revision }) => !counts(state) || revision === deployment.revision);
  return {
    ...progress,
    ...calm,
    everRan: progress.everRan || running.length > 0,
    lastFailure: whole && stable ? "" : progress.lastFailure,
    settled: whole ? { revision: deployment.revision, target } : progress.settled,
    healthyRevisions: whole && target > 0 ? lastHealthy(progress.healthyRevisions, deployment.revision) : progress.healthyRevisions,
  };
}

function lastHealthy(revisions: readonly number[], revision: number): readonly number[] {
  if (revisions.at(-1) === revision) return revisions;
  return [...revisions.filter((other) => other !== revision), revision].slice(-healthyKeptMax);
}

/**
 * Which replicas to ask for and which to take away. Available replicas stay at or above N − floor(N · max_unavailable) and
 * running + starting at or below N + ceil(N · max_surge); a replica is taken away only for one that is there, unless resources are short.
 */
function choose(
  { deployment, capacity, held, nowMs }: PlanInput,
  progress: ProgressRecord,
  settled: readonly Settled[],
): { readonly replicas: readonly ReplicaRecord[]; readonly create: number } {
  const target = targetOf(deployment);
  const live = settled.filter(({ replica }) => counts(replica.state));
  const current = live.filter(({ replica }) => replica.revision === deployment.revision);
  const running = live.filter(({ replica }) => replica.state === "RUNNING");
  const removed = new Map<string, string>();
  const remove = (chosen: readonly Settled[], why: string) => {
    for (const { replica } of chosen) removed.set(replica.id, why);
  };

  const stopping = deployment.deletingSinceMs !== undefined ? "its deployment is being deleted" : "scaled down";
  remove(victims(current).slice(0, Math.max(0, current.length - target)), stopping);
  const old = live.filter(({ replica }) => replica.revision !== deployment.revision);
  const replaced = `replaced by revision ${deployment.revision}`;
  // One that served before, and was taken back, is left alone until it is known whether it still does.
  remove(
    old.filter(({ replica }) => replica.state !== "RUNNING" && replica.readyAtMs === 0),
    replaced,
  );
  const oldRunning = victims(old.filter(({ replica }) => replica.state === "RUNNING"));
  const staying = running.filter(({ replica }) => !removed.has(replica.id));
  // The note that a replica waits may be older than the room there is, and there may be room that is kept for another.
  const onlyInPlaceOfOld = (wanted: Resources) =>
    !fits(wanted, held, capacity) &&
    oldRunning.some(({ replica }) => {
      const others = held.filter(({ id }) => id !== replica.id);
      return fits(wanted, others, capacity);
    });
  const floor = availableFloor(target, progress, settled, onlyInPlaceOfOld);
  remove(spare(oldRunning, staying, floor), target === 0 ? stopping : replaced);
  // A target that shrinks amid a rollout leaves more on their way than may be extra.
  const coming = current.filter(({ replica }) => replica.readyAtMs === 0 && !removed.has(replica.id));
  const surplus = live.length - removed.size - replicasMax(target, defaultBounds);
  remove(victims(coming).slice(0, Math.max(0, surplus)), stopping);

  const kept = live.length - removed.size;
  const missing = target - current.filter(({ replica }) => !removed.has(replica.id)).length;
  const room = replicasMax(target, defaultBounds) - kept;
  // While starts fail, one at a time is tried.
  const most =
    nowMs < progress.retryAtMs
      ? 0
      : progress.failedStarts > 0
        ? Math.max(0, 1 - current.filter(({ replica }) => replica.state !== "RUNNING").length)
        : Number.POSITIVE_INFINITY;
  return {
    replicas: settled.map(({ replica }) => takeAway(replica, removed.get(replica.id), nowMs)),
    create: Math.max(0, Math.min(missing, room, most)),
  };
}

/**
 * Those of `oldRunning`, in this order, that may go. One that cannot be given requests is not available, and may be back soon:
 * it neither lets an available one go in its place, nor goes as if it were none.
 */
function spare(oldRunning: readonly Settled[], staying: readonly Settled[], floor: number): readonly Settled[] {
  const routable = ({ seen }: Settled) => seen.routable;
  const most = Math.max(0, staying.length - floor);
  const mostRoutable = Math.max(0, staying.filter(routable).length - floor);
  return [...oldRunning.filter((one) => !routable(one)), ...oldRunning.filter(routable).slice(0, mostRoutable)].slice(0, most);
}

function takeAway(replica: ReplicaRecord, why: string | undefined, nowMs: number): ReplicaRecord {
  if (why === undefined) return replica;
  return advance(replica, replica.state === "PENDING" ? "STOPPED" : "DRAINING", nowMs, { message: why });
}

/** How many replicas must stay available: all of the target until the new revision has shown that it runs, or nothing can start beside the old ones. */
function availableFloor(
  target: number,
  progress: ProgressRecord,
  settled: readonly Settled[],
  onlyInPlaceOfOld: (wanted: Resources) => boolean,
): number {
  const least = availableMin(target, defaultBounds);
  const states = settled.map(({ replica }) => replica.state);
  const [waiting] = settled.filter(
    ({ replica }) => replica.state === "PENDING" && replica.revision === progress.revision && replica.message !== "",
  );
  const short =
    waiting !== undefined && !states.includes("STARTING") && !states.includes("DRAINING") && onlyInPlaceOfOld(waiting.replica.resources);
  if (short) return Math.min(least, target - 1);
  return progress.everRan ? least : target;
}

/** The order in which replicas are taken away: not yet running first, then not routable, then the least loaded, then the youngest. */
function victims(replicas: readonly Settled[]): readonly Settled[] {
  const rank = ({ replica: { state, readyAtMs }, seen }: Settled) =>
    state === "PENDING" ? 0 : state === "STARTING" && readyAtMs === 0 ? 1 : seen.routable ? 3 : 2;
  return replicas.toSorted(
    (a, b) => rank(a) - rank(b) || (a.seen.ongoing ?? 0) - (b.seen.ongoing ?? 0) || b.replica.createdAtMs - a.replica.createdAtMs,
  );
}

/** Ends the process of a replica that is to stop, or has failed; removes what is no longer worth keeping. */
function finish(seen: SeenReplica, deployment: DeploymentRecord, nowMs: number): readonly Action[] {
  const { replica } = seen;
  const replicaId = replica.id;
  if (seen.process === "alive") {
    const graceOver = nowMs - replica.sinceMs >= deployment.spec.gracefulShutdownTimeoutMs;
    const mayEnd = hasEnded(replica.state) || (replica.state === "DRAINING" && (seen.drained || graceOver || replica.readyAtMs === 0));
    if (!mayEnd) return [];
    if (seen.terminatedAtMs === 0) return [{ kind: "terminate", replicaId }];
    return nowMs - seen.terminatedAtMs >= terminateGraceMs ? [{ kind: "kill", replicaId }] : [];
  }
  const keptMs = deployment.deletingSinceMs !== undefined ? 0 : replica.state === "STOPPED" ? stoppedKeptMs : failedKeptMs;
  return hasEnded(replica.state) && seen.process !== "unknown" && nowMs - replica.sinceMs >= keptMs ? [{ kind: "forget", replicaId }] : [];
}

/** Of failed replicas only the newest few are kept. */
function surplusRecords(seen: readonly SeenReplica[], nowMs: number): readonly Action[] {
  const failed = seen.filter(
    ({ replica, process }) =>
      replica.state === "FAILED" && (process === "exited" || process === "none") && nowMs - replica.sinceMs < failedKeptMs,
  );
  return failed
    .toSorted((a, b) => b.replica.sinceMs - a.replica.sinceMs)
    .slice(failedKeptMax)
    .map(({ replica }): Action => ({ kind: "forget", replicaId: replica.id }));
}
