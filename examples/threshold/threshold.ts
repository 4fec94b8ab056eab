// A program that is slow to start and fast to reconfigure: it classifies values as rare or common,
// with a threshold in its config.
//   drover run threshold.ts
//   drover reconfigure threshold '{"threshold": 0.05}'
import { deployment, StatusError } from "drover";

/**
 * The number of values to compare with. More values make the answers finer and the start longer.
 */
const sampleCount = 2_000_000;

interface UserConfig {
  /** The share of values that counts as rare, from 0 to 1. */
  readonly threshold: number;
}

class Threshold {
  // Most of a replica's start. A new threshold does not need it again, so no replica restarts.
  readonly #distances = distancesFromMean();
  #threshold = 0;

  /** Called on every replica before any is changed: if it throws on one, none is changed. */
  validateConfig(config: Partial<UserConfig> | null): void {
    const threshold: unknown = config?.threshold;
    if (typeof threshold !== "number" || !(threshold >= 0 && threshold <= 1))
      throw new Error(`threshold must be a number from 0 to 1, not ${JSON.stringify(threshold) ?? "missing"}`);
  }

  /**
   * Called before the first request and at each change, while requests go on. It is one assignment,
   * so no request sees half a change.
   */
  reconfigure({ threshold }: UserConfig): void {
    this.#threshold = threshold;
  }

  classify({ value }: { value: number }): { label: "rare" | "common"; threshold: number } {
    // Read once, so that one request uses one config.
    const threshold = this.#threshold;
    if (!Number.isFinite(value)) throw new StatusError("INVALID_ARGUMENT", "value: must be a number");
    return { label: this.#shareBeyond(value) < threshold ? "rare" : "common", threshold };
  }

  /** The share of all values that are further from the mean: 1 at the mean, 0.05 at about ±2. */
  #shareBeyond(value: number): number {
    const distance = Math.abs(value);
    let [from, to] = [0, sampleCount];
    while (from < to) {
      const middle = (from + to) >>> 1;
      if ((this.#distances[middle] as number) <= distance) from = middle + 1;
      else to = middle;
    }
    return 1 - from / sampleCount;
  }
}

/**
 * Distances from the mean of values with a normal distribution (mean 0, deviation 1), sorted. A
 * value is the sum of twelve uniform draws, less 6. All replicas draw the same values.
 */
function distancesFromMean(): Float64Array {
  let state = 1;
  const distances = new Float64Array(sampleCount).map(() => {
    let sum = -6;
    for (let draw = 0; draw < 12; draw++) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      sum += state / 2 ** 32;
    }
    return Math.abs(sum);
  });
  return distances.sort();
}

export default deployment(Threshold, {
  name: "threshold",
  version: "1",
  numReplicas: 2,
  resources: { numCpus: 0.1 },
  userConfig: { threshold: 0.01 },
});
