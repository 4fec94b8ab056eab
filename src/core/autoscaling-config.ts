/** How the number of replicas follows the load. Times in milliseconds. */
export interface AutoscalingConfig {
  readonly minReplicas: number;
  readonly maxReplicas: number;
  /** Of a new deployment; undefined: `minReplicas`. */
  readonly initialReplicas?: number;
  /** Requests that one replica is to have. */
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

/** Where nothing else is said. */
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

/** A minimum that holds for a while, again and again. */
export interface ScheduledMinimum {
  readonly cron: string;
  /** Empty: UTC. */
  readonly timeZone: string;
  readonly minReplicas: number;
  readonly durationMs: number;
}

/** What is made of the load of a period. */
export type Aggregation = "MEAN" | "MAX" | "MIN";
