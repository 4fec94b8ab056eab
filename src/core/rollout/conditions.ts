import type { DeploymentRecord, ProgressRecord } from "../deployment.ts";
import { type Preparing, preparingOf } from "../ending.ts";
import { sameJson } from "../json.ts";
import { ofLife } from "../lineage.ts";
import { type Room, unseenReplicas } from "../placement/room.ts";
import { counts, type ReplicaRecord, waitsForRoom } from "../replica.ts";
import type { RolloutFailure, StartFailure } from "../rollout-failure.ts";
import { availableMin } from "../rollout-policy.ts";
import type { Wait, WaitingReplica } from "../wait.ts";
import { statusOf, targetOf } from "./status.ts";

/** A condition of a deployment that an operator should know. `sinceMs` undefined: not known. */
export type Condition = { readonly sinceMs: number | undefined } & (
  | { readonly type: "DELETING"; readonly reason: "REQUESTED"; readonly replicasLeft: number }
  | { readonly type: "CONFIG_CHANGING"; readonly reason: "RECONFIGURE" }
  | { readonly type: "ROLLOUT_PAUSED"; readonly reason: "REQUESTED" }
  /**
   * Replicas wait for room. BLOCKED: an old replica would have to go first, but the policy allows
   * none to be missing. NEVER_FITS: a replica wants more than the machine has.
   */
  | ({ readonly type: "NO_CAPACITY"; readonly reason: "BLOCKED" | "NEVER_FITS" | "WAITING" } & WaitingReplica & Group)
  /**
   * Without `replicaId`: packages are installed before the first replica of `revision` is created.
   */
  | ({ readonly type: "WAITING_FOR_PACKAGES"; readonly reason: "INSTALLING"; readonly revision: number } & Preparing & Partial<Group>)
  | ({ readonly type: "STARTING"; readonly reason: "LAUNCHED" | "NOT_SERVING"; readonly wait: Wait | undefined } & Group)
  /** BACKOFF: no replica starts before `retryAtMs`. */
  | {
      readonly type: "STARTS_FAILING";
      readonly reason: "BACKOFF" | "TRYING";
      readonly failedStarts: number;
      readonly retryAtMs: number | undefined;
      readonly last: StartFailure;
    }
  | { readonly type: "ROLLOUT_FAILED"; readonly reason: FailedReason; readonly revision: number; readonly failure: RolloutFailure }
  /** Replicas are on nodes that are out of sight; `node` is the first one's. */
  | ({ readonly type: "REPLICAS_UNSEEN"; readonly reason: "OTHER_NODE"; readonly node: string } & Group)
  /** The rollout of `revision` failed, and was rolled back to `to`. */
  | {
      readonly type: "ROLLED_BACK";
      readonly reason: FailedReason;
      readonly revision: number;
      readonly to: number;
      readonly failure: RolloutFailure;
    }
);

export type FailedReason = "FAILED_STARTS" | "PROGRESS_DEADLINE" | "EARLIER_VERSION";

/** Replicas in the same situation: the first, and how many more. */
interface Group {
  readonly replicaId: string;
  readonly more: number;
}

/** The conditions of a deployment, derived from its records. What a program printed comes last. */
export function conditionsOf(
  deployment: DeploymentRecord,
  progress: ProgressRecord | undefined,
  replicas: readonly ReplicaRecord[],
  room: Room,
): readonly Condition[] {
  const { revision, changing, pausedSinceMs, deletingSinceMs } = deployment;
  if (deletingSinceMs !== undefined) {
    const replicasLeft = replicas.filter(({ state }) => state === "DRAINING" || counts(state)).length;
    return [{ type: "DELETING", reason: "REQUESTED", sinceMs: deletingSinceMs, replicasLeft }];
  }
  const own = ofLife(progress, deployment);
  const ours = own?.revision === revision ? own : undefined;
  const conditions: Condition[] = [];
  if (changing !== undefined) conditions.push({ type: "CONFIG_CHANGING", reason: "RECONFIGURE", sinceMs: undefined });
  if (pausedSinceMs !== undefined) conditions.push({ type: "ROLLOUT_PAUSED", reason: "REQUESTED", sinceMs: pausedSinceMs });
  conditions.push(...unseen(replicas, room), ...capacity(deployment, replicas), ...starts(replicas));
  if (ours?.installing !== undefined) conditions.push({ type: "WAITING_FOR_PACKAGES", reason: "INSTALLING", revision, ...ours.installing });
  if (ours !== undefined && statusOf(deployment, progress, replicas).state !== "HEALTHY") conditions.push(...failing(ours, replicas));
  return [...conditions, ...failed(deployment, ours)];
}

/**
 * Whether the rollout is blocked: a new replica finds no room, and no old one may be missing. It
 * continues only with more room or another policy. While a replica starts or ends, room may become
 * free, so nothing is blocked.
 */
export function isBlockedByCapacity(deployment: DeploymentRecord, replicas: readonly ReplicaRecord[]): boolean {
  const { spec, revision, pausedSinceMs } = deployment;
  const target = targetOf(deployment);
  if (pausedSinceMs !== undefined || spec.rollout.strategy !== "AVAILABILITY") return false;
  if (availableMin(target, spec.rollout) < target) return false;
  if (replicas.some(({ state }) => state === "STARTING" || state === "DRAINING")) return false;
  const waits = replicas.some((replica) => replica.revision === revision && waitsForRoom(replica) && replica.waits?.kind !== "neverFits");
  return waits && replicas.some((replica) => replica.revision !== revision && replica.state === "RUNNING");
}

function unseen(replicas: readonly ReplicaRecord[], room: Room): readonly Condition[] {
  const [first, ...others] = unseenReplicas(replicas, room);
  if (first?.node === undefined) return [];
  return [
    { type: "REPLICAS_UNSEEN", reason: "OTHER_NODE", sinceMs: undefined, replicaId: first.id, more: others.length, node: first.node },
  ];
}

function capacity(deployment: DeploymentRecord, replicas: readonly ReplicaRecord[]): readonly Condition[] {
  const waiting = replicas.filter(waitsForRoom);
  const [first] = waiting;
  if (first?.waits === undefined) return [];
  const neverFits = waiting.some(({ waits }) => waits?.kind === "neverFits");
  const reason = isBlockedByCapacity(deployment, replicas) ? "BLOCKED" : neverFits ? "NEVER_FITS" : "WAITING";
  const sinceMs = Math.min(...waiting.map(({ createdAtMs }) => createdAtMs));
  return [{ type: "NO_CAPACITY", reason, sinceMs, replicaId: first.id, wait: first.waits, more: waiting.length - 1 }];
}

function starts(replicas: readonly ReplicaRecord[]): readonly Condition[] {
  const starting = replicas.filter(({ state }) => state === "STARTING");
  const installing = starting.filter(({ waits }) => waits?.kind === "packages");
  const launched = starting.filter(({ waits }) => waits?.kind !== "packages");
  const group = ([first, ...others]: readonly ReplicaRecord[]) =>
    first && {
      first,
      group: { replicaId: first.id, more: others.length, sinceMs: Math.min(first.sinceMs, ...others.map(({ sinceMs }) => sinceMs)) },
    };
  const conditions: Condition[] = [];
  const run = group(launched);
  if (run !== undefined) {
    const wait = run.first.waits;
    conditions.push({ type: "STARTING", reason: wait === undefined ? "LAUNCHED" : "NOT_SERVING", wait, ...run.group });
  }
  const install = group(installing);
  if (install?.first.waits?.kind === "packages") {
    const { revision, waits } = install.first;
    conditions.push({ type: "WAITING_FOR_PACKAGES", reason: "INSTALLING", revision, ...preparingOf(waits), ...install.group });
  }
  return conditions;
}

function failing(
  { lastFailure: last, rolloutFailure, failedStarts, failedAtMs, retryAtMs, revision }: ProgressRecord,
  replicas: readonly ReplicaRecord[],
): readonly Condition[] {
  if (last === undefined || isPartOf(rolloutFailure, last)) return [];
  const trying = replicas.some((replica) => replica.revision === revision && (replica.state === "PENDING" || replica.state === "STARTING"));
  const reason = trying || retryAtMs === undefined ? "TRYING" : "BACKOFF";
  return [{ type: "STARTS_FAILING", reason, sinceMs: failedAtMs, failedStarts, retryAtMs, last }];
}

/** Whether the rollout's failure already includes this failure. */
function isPartOf(failure: RolloutFailure | undefined, last: StartFailure): boolean {
  if (failure === undefined) return false;
  return failure.kind === "earlier" || sameJson(failure.last, last);
}

function failed({ failedRollout, revision }: DeploymentRecord, ours: ProgressRecord | undefined): readonly Condition[] {
  if (failedRollout !== undefined) {
    const { cause: failure, atMs: sinceMs } = failedRollout;
    return [{ type: "ROLLED_BACK", reason: reasons[failure.kind], sinceMs, revision: failedRollout.revision, to: revision, failure }];
  }
  const failure = ours?.rolloutFailure;
  if (failure === undefined) return [];
  return [{ type: "ROLLOUT_FAILED", reason: reasons[failure.kind], sinceMs: ours?.rolloutFailedAtMs, revision, failure }];
}

const reasons: Readonly<Record<RolloutFailure["kind"], FailedReason>> = {
  failedStarts: "FAILED_STARTS",
  progressDeadline: "PROGRESS_DEADLINE",
  earlier: "EARLIER_VERSION",
};
