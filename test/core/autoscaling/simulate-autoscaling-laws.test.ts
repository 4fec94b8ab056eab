// The autoscaler over traces, with replicas that take a while to start.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { autoscaler, type LoadSample, type Scaler, simulate } from "../../../src/core/autoscaling/simulate-autoscaling.ts";
import { type AutoscalingConfig, defaultAutoscaling } from "../../../src/core/autoscaling-config.ts";

const config: AutoscalingConfig = { ...defaultAutoscaling, maxReplicas: 100, targetOngoingRequests: 10 };

const run = (
  settings: AutoscalingConfig,
  samples: readonly LoadSample[],
  startupMs: number,
  endMs: number,
  initial = settings.minReplicas,
) =>
  simulate(autoscaler(settings, startupMs, samples[0]?.timeMs ?? 0), samples, {
    startupMs,
    initial,
    targetOngoingRequests: settings.targetOngoingRequests,
    endMs,
  });

describe("a step from 0 to 200 with a start-up of 10 s", () => {
  test.each([
    ["as set by default", config],
    ["without bursts", { ...config, burst: { ...config.burst, disabled: true } }],
    ["from zero", { ...config, minReplicas: 0 }],
    ["up at once", { ...config, upscaleDelayMs: 0 }],
    ["by the highest load", { ...config, aggregation: "MAX" as const }],
    ["in half steps", { ...config, upscalingFactor: 0.5 }],
  ])("wants at most 1.2 of the replicas needed, gets them, and never turns: %s", (_, settings) => {
    const { points, turns } = run(
      settings,
      [
        { timeMs: 0, load: 0 },
        { timeMs: 60_000, load: 200 },
      ],
      10_000,
      600_000,
    );
    expect(Math.max(...points.map(({ desired }) => desired))).toBeLessThanOrEqual(24);
    expect(points.at(-1)?.desired).toBe(20);
    expect(turns).toBe(0);
  });
});

describe("once the load is constant", () => {
  const steps = fc.array(fc.tuple(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 0, max: 500 })), { minLength: 1, maxLength: 20 });
  const part = fc.double({ min: 0.05, max: 1, noNaN: true });
  const seconds = (max: number) => fc.integer({ min: 0, max }).map((value) => value * 1_000);
  const anySettings = fc.record({
    upscaleDelayMs: seconds(30),
    downscaleDelayMs: seconds(40),
    downscaleToZeroDelayMs: seconds(40),
    upscalingFactor: part,
    downscalingFactor: part,
    minReplicas: fc.constantFrom(0, 1, 3),
    bufferReplicas: fc.constantFrom(0, 1, 2, 60),
    aggregation: fc.constantFrom("MEAN" as const, "MAX" as const, "MIN" as const),
  });
  const lookBackPeriodMs = 10_000;

  /**
   * The numbers wanted and when they changed, after the look-back period has nothing but the last
   * load.
   */
  function constant(held: readonly (readonly [seconds: number, load: number])[], more: Partial<AutoscalingConfig>, startupMs: number) {
    let timeMs = 0;
    const trace = held.map(([seconds, load]) => {
      timeMs += seconds * 1_000;
      return { timeMs, load };
    });
    const { points } = run({ ...config, lookBackPeriodMs, ...more }, trace, startupMs, timeMs + 3_600_000, 5);
    const fromMs = timeMs + lookBackPeriodMs;
    const before = points.findLast((point) => point.timeMs <= fromMs)?.desired ?? 5;
    const changes = points
      .filter((point) => point.timeMs > fromMs)
      .map(({ timeMs, desired }, index, after) => ({
        afterMs: timeMs - fromMs,
        sign: Math.sign(desired - (after[index - 1]?.desired ?? before)),
      }))
      .filter(({ sign }) => sign !== 0);
    return { changes, needed: Math.ceil((trace.at(-1)?.load ?? 0) / 10), last: points.at(-1)?.desired };
  }

  test("the number never turns, and ends at what the load needs and the spare replicas above it", () => {
    fc.assert(
      fc.property(steps, anySettings, seconds(20), (held, settings, startupMs) => {
        const { changes, needed, last } = constant(held, settings, startupMs);
        expect(new Set(changes.map(({ sign }) => sign)).size).toBeLessThanOrEqual(1);
        const atZero = settings.minReplicas === 0 && needed === 0;
        expect(last).toBe(atZero ? 0 : Math.min(100, Math.max(settings.minReplicas, needed + settings.bufferReplicas)));
      }),
      { numRuns: 60 },
    );
  });

  test("and whole steps are gone, nothing changes any more when the delays have passed", () => {
    fc.assert(
      fc.property(steps, anySettings, seconds(20), (held, settings, startupMs) => {
        const { changes } = constant(held, { ...settings, upscalingFactor: 1, downscalingFactor: 1 }, startupMs);
        const { upscaleDelayMs, downscaleDelayMs, downscaleToZeroDelayMs } = settings;
        // And the look-back period after a burst.
        const settledMs = Math.max(upscaleDelayMs, downscaleDelayMs, downscaleToZeroDelayMs) + startupMs + lookBackPeriodMs;
        expect(changes.filter(({ afterMs }) => afterMs > settledMs)).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });

  test("one step of load, seen at once, is one change, a whole downscale delay later", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 400 }), seconds(40), part, (load, downscaleDelayMs, downscalingFactor) => {
        const settings = { downscaleDelayMs, downscalingFactor, lookBackPeriodMs: 1_000 };
        const { changes } = constant(
          [
            [1, 500],
            [100, load],
          ],
          settings,
          0,
        );
        for (const [index, { afterMs }] of changes.entries())
          expect(afterMs - (changes[index - 1]?.afterMs ?? Number.NEGATIVE_INFINITY)).toBeGreaterThanOrEqual(downscaleDelayMs);
      }),
      { numRuns: 30 },
    );
  });
});

test("the same trace gives the same", () => {
  const samples = [0, 50, 400, 10].map((load, index) => ({ timeMs: index * 40_000, load }));
  expect(run(config, samples, 5_000, 900_000)).toEqual(run(config, samples, 5_000, 900_000));
});

describe("a simulation", () => {
  const fixed =
    (at: Readonly<Record<number, number>>): Scaler =>
    ({ target, nowMs }) => ({ target: at[nowMs] ?? target, why: "" });
  const samples = [
    { timeMs: 0, load: 15 },
    { timeMs: 10_500, load: 0 },
  ];
  const options = { startupMs: 3_000, initial: 1, targetOngoingRequests: 10 };

  test("returns the state at each sample and at each change, the last one too", () => {
    expect(simulate(fixed({ 2000: 3, 6000: 1 }), samples, options).points).toEqual([
      { timeMs: 0, desired: 1, running: 1, load: 15, why: "" },
      { timeMs: 2_000, desired: 3, running: 1, load: 15, why: "" },
      { timeMs: 5_000, desired: 3, running: 3, load: 15, why: "" },
      { timeMs: 6_000, desired: 1, running: 1, load: 15, why: "" },
      { timeMs: 10_500, desired: 1, running: 1, load: 0, why: "" },
    ]);
  });

  test("counts replicas from being wanted, time short of them, changes and turns", () => {
    const { replicaMs, shortMs, changes, turns } = simulate(fixed({ 2000: 3, 6000: 1 }), samples, options);
    expect({ replicaMs, shortMs, changes, turns }).toEqual({
      replicaMs: 10_500 + 2 * 4_000,
      shortMs: 10_500 - 1_000,
      changes: 2,
      turns: 1,
    });
  });

  test("of replicas that start at once has them serve at once", () => {
    const { points, shortMs } = simulate(fixed({ 0: 2 }), samples, { ...options, startupMs: 0 });
    expect(points[0]).toMatchObject({ desired: 2, running: 2 });
    expect(shortMs).toBe(0);
  });

  test("of one sample or none is over at once", () => {
    expect(simulate(fixed({}), samples.slice(0, 1), options)).toMatchObject({ replicaMs: 0, points: [{ timeMs: 0 }] });
    expect(simulate(fixed({}), [], options)).toMatchObject({ replicaMs: 0, points: [] });
  });
});
