/** How far a deployment may be from its target while its replicas are replaced. */
export interface RolloutBounds {
  /** Of the target, rounded down. 0 to 1. */
  readonly maxUnavailable: number;
  /** Of the target, rounded up. 0 to 1. */
  readonly maxSurge: number;
}

/** The bounds of Ray Serve's guide: at most 20 % down; and as many extra. */
export const defaultBounds: RolloutBounds = { maxUnavailable: 0.2, maxSurge: 0.2 };

/** Products of decimal fractions are taken as equal to the whole number they miss by less than this. */
const slack = 1e-9;

/** The fewest replicas that must be available at `target`. */
export function availableMin(target: number, bounds: RolloutBounds): number {
  return target - Math.floor(target * bounds.maxUnavailable + slack);
}

/** The most replicas that may run or start at `target`. */
export function replicasMax(target: number, bounds: RolloutBounds): number {
  return target + Math.ceil(target * bounds.maxSurge - slack);
}
