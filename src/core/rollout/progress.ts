import { type ActingTime, elapsedMs } from "../acting-time.ts";
import { backoffMaxMs, backoffMs } from "../backoff.ts";
import type { DeploymentRecord, ProgressRecord, Wanted } from "../deployment.ts";
import { type Preparation, preparingOf } from "../ending.ts";
import { ofLife } from "../lineage.ts";
import { counts, isAvailable, type ReplicaRecord } from "../replica.ts";
import type { RolloutFailure } from "../rollout-failure.ts";
import type { RolloutPolicy } from "../rollout-policy.ts";
import { type Failure, stableAfterMs } from "./settle.ts";
import { targetOf } from "./status.ts";

/** How many healthy revisions are remembered. */
const healthyKeptMax = 20;
/** From this number of failures in a row, the wait is the longest. */
const failuresOfLongestWait = 1 + Math.ceil(Math.log2(backoffMaxMs / 1_000));

const noFailures = { failedStarts: 0, failedAtMs: undefined, retryAtMs: undefined } as const;

/** The progress of the wanted revision. It starts empty for a new revision. */
export function currentProgress(progress: ProgressRecord | undefined, deployment: DeploymentRecord, nowMs: number): ProgressRecord {
  const ours = ofLife(progress, deployment);
  const fresh: Omit<ProgressRecord, "uid" | "observedGeneration" | "revision" | "healthyRevisions"> = {
    failedStarts: 0,
    everRan: false,
    everStable: false,
    progressedAtMs: nowMs,
  };
  const kept = ours?.revision === deployment.revision ? ours : fresh;
  const wanted = wantedOf(deployment);
  const before = ours?.wanted ?? wanted;
  const paused = before.pausedSinceMs !== wanted.pausedSinceMs || before.resumedAtMs !== wanted.resumedAtMs;
  const changed = paused || before.target !== wanted.target || ours?.observedGeneration !== deployment.generation;
  return {
    ...kept,
    ...(changed && { progressedAtMs: nowMs }),
    // Failures before or during a pause belong to another revision, or are forgiven.
    ...(paused && noFailures),
    wanted,
    uid: deployment.uid,
    observedGeneration: deployment.generation,
    revision: deployment.revision,
    settled: ours?.settled,
    healthyRevisions: ours?.healthyRevisions ?? [],
  };
}

function wantedOf(deployment: DeploymentRecord): Wanted {
  return { target: targetOf(deployment), pausedSinceMs: deployment.pausedSinceMs ?? 0, resumedAtMs: deployment.resumedAtMs ?? 0 };
}

/** How long no replica is started yet, because starts failed. 0: one may be started. */
export function retryWaitMs({ failedAtMs, retryAtMs }: ProgressRecord, time: ActingTime): number {
  if (failedAtMs === undefined || retryAtMs === undefined) return 0;
  return Math.max(0, retryAtMs - failedAtMs - elapsedMs(failedAtMs, time));
}

/** The progress with the new failures counted. `starting` is the revision of new replicas. */
export function noteFailures(
  progress: ProgressRecord,
  failures: readonly Failure[],
  {
    starting,
    maxStartFailures,
    nowMs,
    draw,
  }: { readonly starting: number; readonly maxStartFailures: number; readonly nowMs: number; readonly draw: number },
): ProgressRecord {
  const ours = failures.filter(({ failure }) => failure.revision === starting);
  const last = ours.at(-1);
  if (last === undefined) return progress;
  const noted = { ...progress, lastFailure: last.failure };
  // A replica created before the last failure belongs to the same try.
  const tries = ours.filter(({ askedAtMs, counts }) => counts !== "nothing" && askedAtMs >= (progress.failedAtMs ?? 0));
  if (tries.length === 0) return noted;
  if (tries.every(({ counts }) => counts === "machine"))
    return { ...noted, failedAtMs: nowMs, retryAtMs: nowMs + backoffMs(progress.failedStarts + 1, draw) };
  const failedStarts = progress.failedStarts + 1;
  const exhausted = !progress.everStable && failedStarts >= maxStartFailures;
  const waitMs = backoffMs(exhausted ? Math.max(failedStarts, failuresOfLongestWait) : failedStarts, draw);
  return { ...noted, failedStarts, failedAtMs: nowMs, retryAtMs: nowMs + waitMs };
}

/**
 * The progress with the packages that are installed before the first replica of the revision is
 * created.
 */
export function noteInstalling(
  { installing, ...progress }: ProgressRecord,
  packages: Preparation | undefined,
  nowMs: number,
): ProgressRecord {
  if (packages?.kind !== "installing") return progress;
  return { ...progress, installing: { ...preparingOf(packages), sinceMs: installing?.sinceMs ?? nowMs } };
}

/** The progress with the failure of the rollout, if it has failed. */
export function noteRolloutFailure(progress: ProgressRecord, cause: RolloutFailure | undefined, nowMs: number): ProgressRecord {
  const sinceMs = progress.rolloutFailure === undefined ? nowMs : progress.rolloutFailedAtMs;
  return { ...progress, rolloutFailure: cause, rolloutFailedAtMs: cause === undefined ? undefined : sinceMs };
}

/**
 * How long a replica of the wanted revision must be RUNNING to count. While its starts fail, this
 * is long enough to end the row of failures.
 */
export function provenAfterMs({ failedStarts }: ProgressRecord, { minReadyTimeMs }: RolloutPolicy): number {
  return failedStarts > 0 ? Math.max(minReadyTimeMs, stableAfterMs) : minReadyTimeMs;
}

/** The progress with the running replicas counted. */
export function noteSuccess(
  progress: ProgressRecord,
  deployment: DeploymentRecord,
  replicas: readonly ReplicaRecord[],
  { starting, time }: { readonly starting: number; readonly time: ActingTime },
): ProgressRecord {
  const readyMs = provenAfterMs(progress, deployment.spec.rollout);
  const available = replicas.filter((replica) => replica.revision === deployment.revision && isAvailable(replica, readyMs, time));
  const stable = replicas.some(
    (replica) =>
      replica.revision === starting &&
      (replica.readyAtMs ?? 0) >= (progress.failedAtMs ?? 0) &&
      isAvailable(replica, Math.max(readyMs, stableAfterMs), time),
  );
  const target = targetOf(deployment);
  const whole = available.length === target && replicas.every(({ state, revision }) => !counts(state) || revision === deployment.revision);
  // Replicas become available in the order in which they became ready, whenever that was.
  const newestReadyAtMs = available.reduce<number | undefined>(newest, progress.newestReadyAtMs);
  const advanced = newestReadyAtMs !== undefined && newestReadyAtMs > (progress.newestReadyAtMs ?? Number.NEGATIVE_INFINITY);
  const advancedAtMs = advanced ? Math.max(newestReadyAtMs, time.actingSinceMs) + readyMs : Number.NEGATIVE_INFINITY;
  const progressedAtMs = Math.max(progress.progressedAtMs, advancedAtMs);
  const recovered = whole || progressedAtMs > progress.progressedAtMs;
  return {
    ...progress,
    ...(stable ? noFailures : {}),
    everRan: progress.everRan || available.length > 0,
    everStable: progress.everStable || available.some((replica) => isAvailable(replica, Math.max(readyMs, stableAfterMs), time)),
    progressedAtMs,
    newestReadyAtMs,
    ...(recovered && { rolloutFailure: undefined, rolloutFailedAtMs: undefined }),
    lastFailure: whole && stable ? undefined : progress.lastFailure,
    settled: whole ? { revision: deployment.revision, target } : progress.settled,
    healthyRevisions: whole && target > 0 ? lastHealthy(progress.healthyRevisions, deployment.revision) : progress.healthyRevisions,
  };
}

const newest = (beforeMs: number | undefined, { readyAtMs }: ReplicaRecord): number | undefined =>
  readyAtMs === undefined || (beforeMs !== undefined && beforeMs >= readyAtMs) ? beforeMs : readyAtMs;

function lastHealthy(revisions: readonly number[], revision: number): readonly number[] {
  if (revisions.at(-1) === revision) return revisions;
  return [...revisions.filter((other) => other !== revision), revision].slice(-healthyKeptMax);
}
