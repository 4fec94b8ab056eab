import type { Departure } from "../departure.ts";
import type { DeploymentRecord, ProgressRecord } from "../deployment.ts";
import { fits, place } from "../placement/placement.ts";
import { counts, isAvailable, type ReplicaRecord, waitsForRoom } from "../replica.ts";
import { covers } from "../resources.ts";
import { availableMin, type RolloutPolicy, replicasMax } from "../rollout-policy.ts";
import { provenAfterMs } from "./progress.ts";
import type { Settled } from "./settle.ts";
import type { PlanInput } from "./sight.ts";
import { targetOf } from "./status.ts";

/** What a step is chosen from. */
export interface Situation {
  readonly target: number;
  readonly policy: RolloutPolicy;
  /** Replicas that serve or will. */
  readonly live: readonly Settled[];
  /** Of these, the ones of the wanted revision, and the others. */
  readonly current: readonly Settled[];
  readonly old: readonly Settled[];
  readonly available: readonly Settled[];
  /** Nothing new can start, for want of resources, but in the place of an old replica; `waiting` is the one that cannot. */
  readonly waiting: Settled | undefined;
  readonly short: boolean;
  /** No replica goes for a new one yet: the packages of that are not there. */
  readonly unready: boolean;
  /** Replicas start or end, so that room may come. */
  readonly moving: boolean;
}

/** Which replicas to ask for and which to take away now. */
export interface Step {
  readonly create: number;
  /** Of which revision. */
  readonly revision: number;
  /** Replicas to take away, each with the reason. */
  readonly removed: ReadonlyMap<string, Departure>;
  readonly situation: Situation;
  /** How many must stay available, how many may run or start, and how many more are wanted. */
  readonly floor: number;
  readonly most: number;
  readonly missing: number;
}

/** The revision of which replicas are started: the wanted one; while the rollout is paused, the last that was fully healthy. */
export function startRevision(deployment: DeploymentRecord, progress: ProgressRecord, isKept: (revision: number) => boolean): number {
  const healthy = progress.healthyRevisions.at(-1);
  return deployment.pausedSinceMs !== undefined && healthy !== undefined && isKept(healthy) ? healthy : deployment.revision;
}

/**
 * Available replicas stay at or above N − ⌊N · max_unavailable⌋ and running + starting at or below N + ⌈N · max_surge⌉; a replica
 * is taken away only for one that is available, unless resources are short. Rollout and scaling are this one decision.
 */
export function chooseStep(input: PlanInput, progress: ProgressRecord, settled: readonly Settled[], revision: number): Step {
  const { deployment, nowMs } = input;
  const situation = situationOf(input, settled);
  const { target, policy, live, current } = situation;
  const paused = deployment.pausedSinceMs !== undefined && deployment.deletingSinceMs === undefined;
  const floor = availableFloor(situation, progress);
  const most = replicasMax(target, policy);
  const removed = paused
    ? surplusOfPaused(situation, most)
    : takeAway(situation, deployment, { floor, most, provenMs: provenAfterMs(progress, policy), nowMs });
  const kept = live.length - removed.size;
  const keptCurrent = current.filter(({ replica }) => !removed.has(replica.id)).length;
  const missing = Math.max(0, target - (paused ? kept : keptCurrent));
  const starting = live.filter(({ replica }) => replica.revision === revision && replica.state !== "RUNNING").length;
  // While starts fail, one at a time is tried.
  const tries = nowMs < (progress.retryAtMs ?? 0) ? 0 : progress.failedStarts > 0 ? Math.max(0, 1 - starting) : Number.POSITIVE_INFINITY;
  return { create: Math.max(0, Math.min(missing, most - kept, tries)), revision, removed, situation, floor, most, missing };
}

/**
 * Whether the first replica of the wanted revision can only come in the place of another, as no surge is allowed, and requires packages:
 * they are to be there before that one goes, for their installation may take long, or fail.
 */
export function wantsPackagesFirst(deployment: DeploymentRecord, replicas: readonly ReplicaRecord[]): boolean {
  const { spec, revision, pausedSinceMs, deletingSinceMs } = deployment;
  const { npm, pip } = spec.runtimeEnv;
  if (spec.rollout.maxSurgePercent > 0 || npm.length + pip.length === 0) return false;
  if (pausedSinceMs !== undefined || deletingSinceMs !== undefined || targetOf(deployment) === 0) return false;
  const live = replicas.filter(({ state }) => counts(state));
  return live.length > 0 && live.every((replica) => replica.revision !== revision);
}

function situationOf({ deployment, packages, room, held, pending, nowMs }: PlanInput, settled: readonly Settled[]): Situation {
  const policy = deployment.spec.rollout;
  const live = settled.filter(({ replica }) => counts(replica.state));
  const isCurrent = ({ replica }: Settled) => replica.revision === deployment.revision;
  const current = live.filter(isCurrent);
  const old = live.filter((one) => !isCurrent(one));
  const available = live.filter((one) => isAvailable(one.replica, isCurrent(one) ? policy.minReadyTimeMs : 0, nowMs));
  const waiting = current.find(({ replica }) => waitsForRoom(replica));
  const running = old.flatMap(({ replica }) => (replica.state === "RUNNING" ? replica : []));
  const onlyInPlaceOfOld = (wanted: ReplicaRecord) => {
    // Where the engine places, its word that a replica has no room is all there is, and an old one that holds as much makes room.
    if (room.kind === "engine") return running.some(({ resources }) => covers(resources, wanted.resources));
    const { capacity } = room;
    // The note that a replica waits may be older than the room there is, and there may be room that is kept for another.
    if (fits(wanted.resources, held, capacity)) return false;
    return running.some(({ id }) => {
      const others = held.filter((other) => other.id !== id);
      // Its room must come to us: another deployment's replica that waits before ours would take it, and we would have less than before.
      const after = () => place({ pending: pending(), held: others, capacity, nowMs });
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
 * How many replicas must stay available: all of the target until the new revision has shown that it runs. Where nothing can start
 * beside the old ones, for want of room or because no surge is allowed, one may go first; with the strategy AVAILABILITY only if one
 * may be missing anyway.
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
  { floor, most, provenMs, nowMs }: { readonly floor: number; readonly most: number; readonly provenMs: number; readonly nowMs: number },
): Map<string, Departure> {
  const removed = new Map<string, Departure>();
  const remove = (chosen: readonly Settled[], departure: Departure) => {
    for (const { replica } of chosen) removed.set(replica.id, departure);
  };
  const stopping: Departure = { kind: deployment.deletingSinceMs !== undefined ? "deleted" : "scaledDown" };
  const replaced: Departure = { kind: "replaced", by: deployment.revision };
  remove(victims(current, available).slice(0, Math.max(0, current.length - target)), stopping);
  // One that served before, and was taken back, is left alone until it is known whether it still does.
  remove(
    old.filter(({ replica }) => replica.state !== "RUNNING" && replica.readyAtMs === undefined),
    replaced,
  );
  // While starts fail, an old one goes only for a new one that has outlived them: a program that crashes soon would take them all.
  const staying = available.filter(
    ({ replica }) => !removed.has(replica.id) && (replica.revision !== deployment.revision || isAvailable(replica, provenMs, nowMs)),
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
  // A target that shrinks amid a rollout leaves more on their way than may be extra.
  const coming = current.filter(({ replica }) => replica.readyAtMs === undefined && !removed.has(replica.id));
  remove(victims(coming, available).slice(0, Math.max(0, live.length - removed.size - most)), stopping);
  return removed;
}

/** While a rollout is paused none is taken away for its revision: only what is more than a rollout may have. */
function surplusOfPaused({ live, target, old, current, available }: Situation, most: number): Map<string, Departure> {
  const surplus = live.length - (old.length > 0 && current.length > 0 ? most : target);
  return new Map(
    victims(live, available)
      .slice(0, Math.max(0, surplus))
      .map(({ replica }) => [replica.id, { kind: "scaledDown" }]),
  );
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

/** The order in which replicas are taken away: not yet running first, then not available, then not routable, then the least loaded, then the youngest. */
function victims(replicas: readonly Settled[], available: readonly Settled[]): readonly Settled[] {
  const ready = new Set(available);
  const rank = (one: Settled) => {
    const { state, readyAtMs } = one.replica;
    return state === "PENDING" ? 0 : state === "STARTING" && readyAtMs === undefined ? 1 : !ready.has(one) ? 2 : one.seen.routable ? 4 : 3;
  };
  return replicas.toSorted(
    (a, b) => rank(a) - rank(b) || (a.seen.ongoing ?? 0) - (b.seen.ongoing ?? 0) || b.replica.createdAtMs - a.replica.createdAtMs,
  );
}
