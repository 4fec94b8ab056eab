/** What a rollout does where nothing may be missing and no new replica finds room. */
export type RolloutStrategy = "AUTO" | "AVAILABILITY";

/** How replicas are replaced by ones of a new revision. */
export interface RolloutPolicy {
  /** Of the target, rounded down. 0 to 100. */
  readonly maxUnavailablePercent: number;
  /** Of the target, rounded up. 0 to 100. */
  readonly maxSurgePercent: number;
  readonly strategy: RolloutStrategy;
  /** How long a new replica must have been running before it counts as available. */
  readonly minReadyTimeMs: number;
  /** Without another replica becoming available for so long, it has failed; 0: no bound. */
  readonly progressDeadlineMs: number;
  /** Failed starts in a row, with no replica of the revision ever available, after which it has failed. 1 or more. */
  readonly maxStartFailures: number;
  /** Whether one that has failed goes back to the last revision that was fully healthy. */
  readonly autoRollback: boolean;
}

/** At most 20 % down is the bound of Ray Serve's guide; and as many extra. */
export const defaultRollout: RolloutPolicy = {
  maxUnavailablePercent: 20,
  maxSurgePercent: 20,
  strategy: "AUTO",
  minReadyTimeMs: 0,
  progressDeadlineMs: 600_000,
  maxStartFailures: 5,
  autoRollback: true,
};

/** The fewest replicas that must be available at `target`: ⌊target · percent / 100⌋ may be missing. */
export function availableMin(target: number, { maxUnavailablePercent }: RolloutPolicy): number {
  return target - Math.floor((target * maxUnavailablePercent) / 100);
}

/** The most replicas that may run or start at `target`: ⌈target · percent / 100⌉ more. */
export function replicasMax(target: number, { maxSurgePercent }: RolloutPolicy): number {
  return target + Math.ceil((target * maxSurgePercent) / 100);
}
