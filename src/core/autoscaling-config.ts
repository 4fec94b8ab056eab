/** How the number of replicas follows the load. Times in milliseconds. */
export interface AutoscalingConfig {
  readonly minReplicas: number;
  readonly maxReplicas: number;
  /** Replicas of a new deployment. Undefined: `minReplicas`. */
  readonly initialReplicas?: number;
  /** Spare replicas: this many more than the load needs, within the bounds. Undefined: none. */
  readonly bufferReplicas?: number;
  /** Requests in work that one replica should have. */
  readonly targetOngoingRequests: number;
  readonly upscaleDelayMs: number;
  readonly downscaleDelayMs: number;
  readonly downscaleToZeroDelayMs: number;
  readonly upscalingFactor: number;
  readonly downscalingFactor: number;
  readonly lookBackPeriodMs: number;
  readonly metricsIntervalMs: number;
  readonly aggregation: Aggregation;
  readonly burst: { readonly windowMs: number; readonly threshold: number; readonly disabled: boolean };
  readonly schedules: readonly ScheduledMinimum[];
}

/** Used for fields that a spec leaves unset. */
export const defaultAutoscaling: AutoscalingConfig = {
  minReplicas: 1,
  maxReplicas: 1,
  targetOngoingRequests: 2,
  upscaleDelayMs: 30_000,
  downscaleDelayMs: 600_000,
  downscaleToZeroDelayMs: 600_000,
  upscalingFactor: 1,
  downscalingFactor: 1,
  lookBackPeriodMs: 30_000,
  metricsIntervalMs: 1_000,
  aggregation: "MEAN",
  burst: { windowMs: 6_000, threshold: 2, disabled: false },
  schedules: [],
};

/** A minimum that holds for `durationMs` from each time the cron expression matches. */
export interface ScheduledMinimum {
  readonly cron: string;
  /** Empty: UTC. */
  readonly timeZone: string;
  readonly minReplicas: number;
  readonly durationMs: number;
}

/** How the load of a period becomes one number. */
export type Aggregation = "MEAN" | "MAX" | "MIN";
