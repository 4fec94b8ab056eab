import type { ActingTime } from "../acting-time.ts";
import type { Departure } from "../departure.ts";
import type { DeploymentRecord, ProgressRecord } from "../deployment.ts";
import { fits, place } from "../placement/placement.ts";
import { counts, isAvailable, type ReplicaRecord, waitsForRoom } from "../replica.ts";
import { covers } from "../resources.ts";
import { availableMin, type RolloutPolicy, replicasMax } from "../rollout-policy.ts";
import { provenAfterMs, retryWaitMs } from "./progress.ts";
import type { Settled } from "./settle.ts";
import type { PlanInput } from "./sight.ts";
import { targetOf } from "./status.ts";

/** What a step is chosen from. */
export interface Situation {
  readonly target: number;
  readonly policy: RolloutPolicy;
  /** Replicas that serve or will serve. */
  readonly live: readonly Settled[];
  /** Of these, the replicas of the wanted revision, and the others. */
  readonly current: readonly Settled[];
  readonly old: readonly Settled[];
  readonly available: readonly Settled[];
  /**
   * `short`: resources are short, so that the replica `waiting` can only start in place of an old
   * one.
   */
  readonly waiting: Settled | undefined;
  readonly short: boolean;
  /** The packages of the wanted revision are not installed, so no old replica goes yet. */
  readonly unready: boolean;
  /** Replicas start or end, so room may become free. */
  readonly moving: boolean;
}

/** Which replicas to create and which to remove now. */
export interface Step {
  readonly create: number;
  /** The revision of the created replicas. */
  readonly revision: number;
  /** Replicas to remove, each with the reason. */
  readonly removed: ReadonlyMap<string, Departure>;
  readonly situation: Situation;
  /** How many must stay available, how many may run or start, and how many more are wanted. */
  readonly floor: number;
  readonly most: number;
  readonly missing: number;
}

/**
 * The revision of new replicas: the wanted one; while the rollout is paused, the last healthy one.
 */
export function startRevision(deployment: DeploymentRecord, progress: ProgressRecord, isKept: (revision: number) => boolean): number {
  const healthy = progress.healthyRevisions.at(-1);
  return deployment.pausedSinceMs !== undefined && healthy !== undefined && isKept(healthy) ? healthy : deployment.revision;
}

/**
 * Available replicas stay at or above N − ⌊N · max_unavailable⌋, and running and starting ones at
 * or below N + ⌈N · max_surge⌉. A replica is removed only for an available one, unless resources
 * are short. Rollout and scaling are this one decision.
 */
export function chooseStep(input: PlanInput, progress: ProgressRecord, settled: readonly Settled[], revision: number): Step {
  const { deployment } = input;
  const situation = situationOf(input, settled);
  const { target, policy, live, current } = situation;
  const paused = deployment.pausedSinceMs !== undefined && deployment.deletingSinceMs === undefined;
  const floor = availableFloor(situation, progress);
  const most = replicasMax(target, policy);
  const removed = paused
    ? surplusOfPaused(situation, most)
    : takeAway(situation, deployment, { floor, most, provenMs: provenAfterMs(progress, policy), time: input });
  const kept = live.length - removed.size;
  const keptCurrent = current.filter(({ replica }) => !removed.has(replica.id)).length;
  const missing = Math.max(0, target - (paused ? kept : keptCurrent));
  const starting = live.filter(({ replica }) => replica.revision === revision && replica.state !== "RUNNING").length;
  // While starts fail, one replica is tried at a time.
  const tries = retryWaitMs(progress, input) > 0 ? 0 : progress.failedStarts > 0 ? Math.max(0, 1 - starting) : Number.POSITIVE_INFINITY;
  return { create: Math.max(0, Math.min(missing, most - kept, tries)), revision, removed, situation, floor, most, missing };
}

/**
 * Whether the files and packages of the wanted revision are prepared before its first replica is
 * created. So it is if no surge is allowed: the first replica replaces an old one, and an
 * installation may take long, or fail.
 */
export function wantsPackagesFirst(deployment: DeploymentRecord, replicas: readonly ReplicaRecord[]): boolean {
  const { spec, revision, pausedSinceMs, deletingSinceMs } = deployment;
  const { npm, pip, bundle } = spec.runtimeEnv;
  if (spec.rollout.maxSurgePercent > 0 || (npm.length + pip.length === 0 && bundle === undefined)) return false;
  if (pausedSinceMs !== undefined || deletingSinceMs !== undefined || targetOf(deployment) === 0) return false;
  const live = replicas.filter(({ state }) => counts(state));
  return live.length > 0 && live.every((replica) => replica.revision !== revision);
}

function situationOf(input: PlanInput, settled: readonly Settled[]): Situation {
  const { deployment, packages, room, held, pending } = input;
  const policy = deployment.spec.rollout;
  const live = settled.filter(({ replica }) => counts(replica.state));
  const isCurrent = ({ replica }: Settled) => replica.revision === deployment.revision;
  const current = live.filter(isCurrent);
  const old = live.filter((one) => !isCurrent(one));
  const available = live.filter((one) => isAvailable(one.replica, isCurrent(one) ? policy.minReadyTimeMs : 0, input));
  const waiting = current.find(({ replica }) => waitsForRoom(replica));
  const running = old.flatMap(({ replica }) => (replica.state === "RUNNING" ? replica : []));
  const onlyInPlaceOfOld = (wanted: ReplicaRecord) => {
    // If the engine places, its report that a replica has no room is all that is known. An old
    // replica that holds as much makes room.
    if (room.kind === "engine") return running.some(({ resources }) => covers(resources, wanted.resources));
    const { capacity } = room;
    // The record's wait may be older than the free room; and free room may be kept for another
    // replica.
    if (fits(wanted.resources, held, capacity)) return false;
    return running.some(({ id }) => {
      const others = held.filter((other) => other.id !== id);
      // The room must go to this replica. Another deployment's replica that waits longer would take
      // it, and this deployment would have one replica less.
      const after = () => place({ pending: pending(), held: others, capacity, time: input });
      return fits(wanted.resources, others, capacity) && after().placed.some(({ id }) => id === wanted.id);
    });
  };
  const moving = settled.some(({ replica }) => replica.state === "STARTING" || replica.state === "DRAINING");
  const short = waiting !== undefined && waiting.seen.preparing === undefined && !moving && onlyInPlaceOfOld(waiting.replica);
  const unready =
    current.length === 0 &&
    packages?.kind !== "ready" &&
    wantsPackagesFirst(
      deployment,
      old.map(({ replica }) => replica),
    );
  return { target: targetOf(deployment), policy, live, current, old, available, waiting, short, unready, moving };
}

/**
 * How many replicas must stay available: the whole target, until the new revision has shown that it
 * runs. If nothing new can start in addition to the old replicas, for want of room or of surge, one
 * old replica may go first; with the strategy AVAILABILITY only if one may be missing anyway.
 */
function availableFloor({ target, policy, short }: Situation, { everRan }: ProgressRecord): number {
  const missingMax = target - availableMin(target, policy);
  if (!short && policy.maxSurgePercent > 0) return target - (everRan ? missingMax : 0);
  const least = policy.strategy === "AUTO" ? Math.max(1, missingMax) : missingMax;
  return target - (everRan ? least : Math.min(1, least));
}

function takeAway(
  { target, policy, live, current, old, available, short, unready }: Situation,
  deployment: DeploymentRecord,
  { floor, most, provenMs, time }: { readonly floor: number; readonly most: number; readonly provenMs: number; readonly time: ActingTime },
): Map<string, Departure> {
  const removed = new Map<string, Departure>();
  const remove = (chosen: readonly Settled[], departure: Departure) => {
    for (const { replica } of chosen) removed.set(replica.id, departure);
  };
  const stopping: Departure = { kind: deployment.deletingSinceMs !== undefined ? "deleted" : "scaledDown" };
  const replaced: Departure = { kind: "replaced", by: deployment.revision };
  remove(victims(current, available).slice(0, Math.max(0, current.length - target)), stopping);
  // Replicas that never served go first. A replica that served before and was adopted stays until
  // its health is known.
  remove(
    old.filter(({ replica }) => replica.state !== "RUNNING" && replica.readyAtMs === undefined),
    replaced,
  );
  // While starts fail, an old replica goes only for a new one that is past `provenMs`. Otherwise a
  // program that crashes after a short time would replace all.
  const staying = available.filter(
    ({ replica }) => !removed.has(replica.id) && (replica.revision !== deployment.revision || isAvailable(replica, provenMs, time)),
  );
  const gone = spare(
    victims(
      old.filter(({ replica }) => replica.state === "RUNNING"),
      available,
    ),
    staying,
    floor,
  );
  const first = target > 0 && (short || policy.maxSurgePercent === 0);
  if (unready) remove(gone.slice(0, Math.max(0, live.length - removed.size - target)), stopping);
  else remove(gone, target === 0 ? stopping : first ? { kind: "replacedFirst", by: deployment.revision } : replaced);
  // If the target shrinks during a rollout, more replicas may be starting than the surge allows.
  const coming = current.filter(({ replica }) => replica.readyAtMs === undefined && !removed.has(replica.id));
  remove(victims(coming, available).slice(0, Math.max(0, live.length - removed.size - most)), stopping);
  return removed;
}

/**
 * While a rollout is paused, no replica is removed for its revision; only what exceeds the bounds
 * of a rollout.
 */
function surplusOfPaused({ live, target, old, current, available }: Situation, most: number): Map<string, Departure> {
  const surplus = live.length - (old.length > 0 && current.length > 0 ? most : target);
  return new Map(
    victims(live, available)
      .slice(0, Math.max(0, surplus))
      .map(({ replica }) => [replica.id, { kind: "scaledDown" }]),
  );
}

/**
 * Those of `oldRunning`, in this order, that may go. A replica that is not routable is not
 * available, but may be back soon: it does not let an available one go in its place.
 */
function spare(oldRunning: readonly Settled[], staying: readonly Settled[], floor: number): readonly Settled[] {
  const routable = ({ seen }: Settled) => seen.routable;
  const most = Math.max(0, staying.length - floor);
  const mostRoutable = Math.max(0, staying.filter(routable).length - floor);
  return [...oldRunning.filter((one) => !routable(one)), ...oldRunning.filter(routable).slice(0, mostRoutable)].slice(0, most);
}

/**
 * The order of removal: not yet running, not available, not routable, least loaded, youngest. Of
 * replicas that run and are not available yet, the unroutable go first, then the last to become
 * ready: to a former leader, the others may have been available.
 */
function victims(replicas: readonly Settled[], available: readonly Settled[]): readonly Settled[] {
  const ready = new Set(available);
  const rank = (one: Settled) => {
    const { state, readyAtMs } = one.replica;
    if (state === "PENDING") return 0;
    if (state === "STARTING" && readyAtMs === undefined) return 1;
    return (ready.has(one) ? 4 : 2) + (one.seen.routable ? 1 : 0);
  };
  const readyLast = (a: Settled, b: Settled) => (ready.has(a) ? 0 : (b.replica.readyAtMs ?? 0) - (a.replica.readyAtMs ?? 0));
  return replicas.toSorted(
    (a, b) =>
      rank(a) - rank(b) ||
      readyLast(a, b) ||
      (a.seen.ongoing ?? 0) - (b.seen.ongoing ?? 0) ||
      b.replica.createdAtMs - a.replica.createdAtMs,
  );
}
