/**
 * What a rollout does if no replica may be missing and a new one finds no room. AUTO: it removes
 * one old replica first. AVAILABILITY: it waits for room.
 */
export type RolloutStrategy = "AUTO" | "AVAILABILITY";

/** How a rollout replaces the replicas of other revisions. */
export interface RolloutPolicy {
  /** Percent of the target, rounded down, that may be unavailable. 0 to 100. */
  readonly maxUnavailablePercent: number;
  /** Percent of the target, rounded up, that may run in addition. 0 to 100. */
  readonly maxSurgePercent: number;
  readonly strategy: RolloutStrategy;
  /** How long a new replica must be RUNNING before it counts as available. */
  readonly minReadyTimeMs: number;
  /** The rollout fails if no further replica becomes available for this time. 0: no bound. */
  readonly progressDeadlineMs: number;
  /**
   * The rollout fails after this many failed starts in a row with no replica of the revision ever
   * available. 1 or more.
   */
  readonly maxStartFailures: number;
  /** Whether a failed rollout goes back to the last healthy revision. */
  readonly autoRollback: boolean;
}

/** The default. 20 % unavailable is the bound of Ray Serve's guide; the surge is the same. */
export const defaultRollout: RolloutPolicy = {
  maxUnavailablePercent: 20,
  maxSurgePercent: 20,
  strategy: "AUTO",
  minReadyTimeMs: 0,
  progressDeadlineMs: 600_000,
  maxStartFailures: 5,
  autoRollback: true,
};

/**
 * The fewest replicas that must be available at `target`: ⌊target · percent / 100⌋ may be missing.
 */
export function availableMin(target: number, { maxUnavailablePercent }: RolloutPolicy): number {
  return target - Math.floor((target * maxUnavailablePercent) / 100);
}

/** The most replicas that may run or start at `target`: ⌈target · percent / 100⌉ more. */
export function replicasMax(target: number, { maxSurgePercent }: RolloutPolicy): number {
  return target + Math.ceil((target * maxSurgePercent) / 100);
}
