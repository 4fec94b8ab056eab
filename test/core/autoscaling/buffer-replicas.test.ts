import { describe, expect, test } from "vitest";
import { decide, firstAutoscaleState } from "../../../src/core/autoscaling/autoscale.ts";
import { autoscaler, type LoadSample, simulate } from "../../../src/core/autoscaling/simulate-autoscaling.ts";
import { type AutoscalingConfig, defaultAutoscaling } from "../../../src/core/autoscaling-config.ts";

const config: AutoscalingConfig = { ...defaultAutoscaling, maxReplicas: 20, bufferReplicas: 3, downscaleDelayMs: 60_000 };

/** The numbers wanted, each time that it changes. */
function wanted(samples: readonly LoadSample[], more: Partial<AutoscalingConfig>, initial: number): readonly number[] {
  const settings = { ...config, downscaleToZeroDelayMs: 120_000, ...more };
  const options = { startupMs: 5_000, initial, targetOngoingRequests: 2, endMs: 1_200_000 };
  const { points } = simulate(autoscaler(settings, 5_000, 0), samples, options);
  return points.map(({ desired }) => desired).filter((desired, index, all) => desired !== all[index - 1]);
}

describe("spare replicas", () => {
  test("are kept above what the load needs, as it comes and goes", () => {
    const samples = [
      { timeMs: 0, load: 0 },
      { timeMs: 100_000, load: 4 },
      { timeMs: 300_000, load: 0 },
    ];
    expect(wanted(samples, { lookBackPeriodMs: 1_000 }, 3)).toEqual([3, 5, 3]);
  });

  test("never exceed max_replicas", () => {
    expect(wanted([{ timeMs: 0, load: 12 }], { maxReplicas: 7 }, 6)).toEqual([6, 7]);
  });

  test("come from zero with the first request, and a deployment at zero has none", () => {
    const samples = [
      { timeMs: 0, load: 0 },
      { timeMs: 100_000, load: 2 },
      { timeMs: 200_000, load: 0 },
    ];
    expect(wanted(samples, { minReplicas: 0 }, 0)).toEqual([0, 4, 3, 0]);
  });

  test("are among the rules of a decision, and are none of them where there are none", () => {
    const seen = { ongoing: 2, queued: 0, running: 1, target: 1, scheduledMin: 0, startupMs: 0 };
    const rulesOf = (bufferReplicas: number) =>
      decide({ ...config, bufferReplicas }, seen, firstAutoscaleState(config, 0), 0).decision.verdict.rules;
    expect(rulesOf(3)).toContainEqual(expect.objectContaining({ name: "buffer_replicas", value: 3 }));
    expect(rulesOf(0).map(({ name }) => name)).not.toContain("buffer_replicas");
  });
});
