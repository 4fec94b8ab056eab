// Each rule of how the number of replicas follows the load is a law here. A world holds the target
// and the state between ticks, a second apart; the results of the rules at a tick are read from its
// verdict, and windows are compared with references that keep every tick.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type AutoscaleDecision, decide, firstAutoscaleState, type LoadSeen } from "../../../src/core/autoscaling/autoscale.ts";
import type { AutoscalingConfig } from "../../../src/core/autoscaling-config.ts";

const startMs = 1_700_000_000_000;
const tickMs = 1_000;

/** Follows the load at once, in both ways, and knows no burst. */
function configOf(more: Partial<AutoscalingConfig> = {}): AutoscalingConfig {
  return {
    minReplicas: 1,
    maxReplicas: 1_000,
    targetOngoingRequests: 10,
    upscaleDelayMs: 0,
    downscaleDelayMs: 0,
    downscaleToZeroDelayMs: 0,
    upscalingFactor: 1,
    downscalingFactor: 1,
    lookBackPeriodMs: tickMs,
    metricsIntervalMs: tickMs,
    aggregation: "MEAN",
    burst: { windowMs: 6_000, threshold: 2, disabled: true },
    schedules: [],
    ...more,
  };
}

const burst = { windowMs: 6_000, threshold: 2, disabled: false };

interface Looked extends AutoscaleDecision {
  readonly before: number;
  readonly atMs: number;
  readonly desired: number;
}

/**
 * Observations one tick apart; wanted replicas run at once unless an observation says otherwise.
 */
class World {
  readonly config: AutoscalingConfig;
  readonly looks: Looked[] = [];
  #state: ReturnType<typeof firstAutoscaleState>;
  #nowMs = startMs;
  target: number;

  constructor(config: AutoscalingConfig, target: number) {
    this.config = config;
    this.target = target;
    this.#state = firstAutoscaleState(config, startMs);
  }

  look(seen: Partial<LoadSeen> = {}): Looked {
    const all = { ongoing: 0, queued: 0, running: this.target, scheduledMin: 0, startupMs: 10_000, ...seen, target: this.target };
    const { decision, state } = decide(this.config, all, this.#state, this.#nowMs);
    const looked = { ...decision, before: this.target, atMs: this.#nowMs, desired: decision.verdict.inputs.desired as number };
    this.#state = state;
    this.target = decision.target;
    this.#nowMs += tickMs;
    this.looks.push(looked);
    return looked;
  }

  /** The last of that many ticks. */
  looksFor(seconds: number, seen: Partial<LoadSeen>): Looked {
    let last = this.look(seen);
    for (let second = 1; second < seconds; second++) last = this.look(seen);
    return last;
  }

  /** The numbers wanted at the ticks of the last `ms`; undefined: it was not watched that long. */
  wantedFor(ms: number): readonly number[] | undefined {
    const nowMs = this.looks.at(-1)?.atMs ?? startMs;
    if (nowMs - startMs < ms) return undefined;
    // The number wanted at a tick holds until the next.
    return this.looks.filter(({ atMs }) => atMs + tickMs > nowMs - ms).map(({ desired }) => desired);
  }
}

const loads = fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1, maxLength: 90 });
const factor = fc.double({ min: 0.05, max: 3, noNaN: true });
const delay = fc.integer({ min: 0, max: 40 }).map((seconds) => seconds * 1_000);

describe("the number desired", () => {
  test("goes the factor's part of the way from the running replicas to what the load needs", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 0, max: 500 }), factor, factor, (running, ongoing, up, down) => {
        const { desired } = new World(configOf({ upscalingFactor: up, downscalingFactor: down }), running).look({ ongoing });
        const raw = ongoing / 10;
        const exact = running + (raw > running ? up : down) * (raw - running);
        const rounded = Math.max(0, Math.ceil(exact - 1e-9));
        // A step down that rounds to nothing takes one, if the load needs one less.
        expect(desired).toBe(rounded === running && Math.ceil(raw) < running ? running - 1 : rounded);
      }),
    );
  });

  test.each([
    ["up at once", { running: 2, ongoing: 95 }, {}, 10],
    ["half the way up", { running: 2, ongoing: 95 }, { upscalingFactor: 0.5 }, 6],
    ["half the way down", { running: 10, ongoing: 20 }, { downscalingFactor: 0.5 }, 6],
    ["a step down of less than one takes one", { running: 10, ongoing: 85 }, { downscalingFactor: 0.1 }, 9],
    ["but not the one that is needed", { running: 10, ongoing: 91 }, { downscalingFactor: 0.1 }, 10],
    ["decimals do not add one", { running: 1, ongoing: 3 }, { targetOngoingRequests: 0.1 }, 30],
  ])("%s", (_, { running, ongoing }, more, desired) => {
    expect(new World(configOf(more), running).look({ ongoing }).desired).toBe(desired);
  });

  test("is made of the mean, the highest or the lowest load of the look-back period", () => {
    const desired = (aggregation: AutoscalingConfig["aggregation"]) => {
      const world = new World(configOf({ aggregation, lookBackPeriodMs: 4_000, upscaleDelayMs: 3_600_000 }), 1);
      for (const ongoing of [500, 20, 40, 80]) world.look({ ongoing });
      return [world.look({ ongoing: 60 }).desired, world.look({ ongoing: 60 }).desired];
    };
    expect(desired("MEAN")).toEqual([16, 5]);
    expect(desired("MAX")).toEqual([50, 8]);
    expect(desired("MIN")).toEqual([2, 2]);
  });

  test("does not count replicas beyond the target, as a rollout has them", () => {
    fc.assert(
      fc.property(loads, fc.integer({ min: 1, max: 5 }), factor, factor, (ongoing, surge, upscalingFactor, downscalingFactor) => {
        const config = configOf({ upscalingFactor, downscalingFactor, downscaleDelayMs: 5_000, upscaleDelayMs: 3_000, burst });
        const [plain, surging] = [new World(config, 4), new World(config, 4)];
        for (const load of ongoing) {
          plain.look({ ongoing: load });
          surging.look({ ongoing: load, running: surging.target + surge });
        }
        expect(surging.looks.map(({ target }) => target)).toEqual(plain.looks.map(({ target }) => target));
      }),
    );
  });
});

describe("up", () => {
  test("goes to the smallest number desired of the whole upscale delay, and never before the delay is covered", () => {
    fc.assert(
      fc.property(loads, delay, factor, (ongoing, upscaleDelayMs, upscalingFactor) => {
        const world = new World(configOf({ upscaleDelayMs, upscalingFactor, downscaleDelayMs: 3_600_000 }), 1);
        for (const load of ongoing) {
          const { before, target } = world.look({ ongoing: load });
          const wanted = world.wantedFor(upscaleDelayMs);
          expect(target).toBe(wanted === undefined ? before : Math.max(before, Math.min(...wanted)));
        }
      }),
    );
  });
});

describe("down", () => {
  test("goes to the largest number desired of the whole downscale delay, and never before the delay is covered", () => {
    fc.assert(
      fc.property(loads, delay, fc.double({ min: 0.05, max: 1, noNaN: true }), (ongoing, downscaleDelayMs, downscalingFactor) => {
        const world = new World(configOf({ downscaleDelayMs, downscalingFactor, upscaleDelayMs: 3_600_000 }), 30);
        for (const [index, load] of ongoing.entries()) {
          const { before, target } = world.look({ ongoing: load });
          const wanted = index === 0 ? undefined : world.wantedFor(downscaleDelayMs);
          expect(target).toBe(wanted === undefined ? before : Math.min(before, Math.max(1, ...wanted)));
        }
      }),
    );
  });

  test("never takes what still starts for a step that goes a part of the way up", () => {
    const world = new World(configOf({ upscalingFactor: 0.5 }), 10);
    expect(world.looksFor(5, { ongoing: 100, running: 2 })).toMatchObject({ desired: 6, target: 10 });
  });
});

describe("the last replica", () => {
  const config = configOf({ minReplicas: 0, downscaleDelayMs: 5_000, downscaleToZeroDelayMs: 20_000 });

  test("is stopped once there was no request for the whole downscale_to_zero_delay", () => {
    const world = new World(config, 3);
    expect(world.looksFor(20, {}).target).toBe(1);
    expect(world.look()).toMatchObject({ kind: "down", target: 0, verdict: { bound: "downscale_to_zero_delay" } });
  });

  test("starts its wait again after each request, also a queued one, and after each tick with an unknown load", () => {
    for (const seen of [{ ongoing: 1 }, { queued: 1 }, { ongoing: undefined }]) {
      const world = new World(config, 1);
      world.looksFor(20, {});
      expect(world.look(seen).target).toBe(1);
      expect(world.looksFor(20, {}).target).toBe(1);
      expect(world.look().target).toBe(0);
    }
  });

  test("is stopped before the downscale delay where its own is shorter", () => {
    const world = new World(configOf({ minReplicas: 0, downscaleDelayMs: 600_000, downscaleToZeroDelayMs: 5_000 }), 2);
    expect(world.looksFor(10, {}).target).toBe(2);
    const last = new World(configOf({ minReplicas: 0, downscaleDelayMs: 600_000, downscaleToZeroDelayMs: 5_000 }), 1);
    expect(last.looksFor(5, {}).target).toBe(1);
    expect(last.look().target).toBe(0);
  });

  test("stays while the look-back period still has load, so that it does not come back without a request", () => {
    const world = new World(configOf({ minReplicas: 0, lookBackPeriodMs: 30_000, downscaleToZeroDelayMs: 2_000 }), 1);
    world.looksFor(40, { ongoing: 5 });
    expect(world.looksFor(30, {}).target).toBe(1);
    expect(world.look().target).toBe(0);
    expect(world.looksFor(60, {}).target).toBe(0);
  });

  test("stays where at least one is to run", () => {
    expect(new World(configOf(), 1).looksFor(60, {}).target).toBe(1);
  });
});

describe("from zero", () => {
  test("anything queued starts replicas for it at once", () => {
    for (const [queued, target] of [
      [1, 1],
      [35, 4],
    ] as const) {
      const world = new World(configOf({ minReplicas: 0, upscaleDelayMs: 600_000, burst }), 0);
      expect(world.looksFor(3, {}).target).toBe(0);
      expect(world.look({ queued })).toMatchObject({ kind: "up", target, verdict: { bound: "zero" } });
    }
  });
});

describe("a burst", () => {
  const config = configOf({ upscaleDelayMs: 600_000, lookBackPeriodMs: 30_000, burst });

  test("is gone up to at once, and a load below the threshold is not", () => {
    const world = new World(config, 2);
    expect(world.looksFor(20, { ongoing: 39 })).toMatchObject({ kind: "stay", target: 2 });
    const up = world.looksFor(7, { ongoing: 60 });
    expect(world.target).toBeGreaterThanOrEqual(4);
    expect(up.target).toBeLessThanOrEqual(6);
    const sudden = new World(config, 2);
    expect(sudden.look({ ongoing: 40 })).toMatchObject({ kind: "up", target: 4, verdict: { bound: "burst" } });
  });

  test("raises nothing where it is disabled", () => {
    const disabled = { ...burst, disabled: true };
    expect(new World({ ...config, burst: disabled }, 2).looksFor(60, { ongoing: 500 }).target).toBe(2);
  });

  test("keeps all replicas until it has been quiet for a whole look-back period", () => {
    const world = new World(config, 2);
    world.looksFor(60, { ongoing: 20 });
    while (world.look({ ongoing: 300 }).verdict.bound !== "burst");
    // The mean goes on rising until its window is full; the last rise is the last of the burst.
    world.looksFor(10, { ongoing: 300 });
    const last = world.looks.findLast(({ kind }) => kind === "up")?.atMs ?? 0;
    const fall = { ongoing: 0 };
    const looks = Array.from({ length: 60 }, () => world.look(fall));
    const down = looks.find(({ kind }) => kind === "down");
    expect((down?.atMs ?? 0) - last).toBeGreaterThanOrEqual(30_000);
    const held = looks.find(({ kind }) => kind === "hold");
    expect(held).toMatchObject({ verdict: { bound: "burst", summary: expect.stringContaining("burst") } });
  });

  test("is seen by its own window, however long the look-back period is", () => {
    const world = new World(
      configOf({ upscaleDelayMs: 86_400_000, lookBackPeriodMs: 3_600_000, burst: { ...burst, windowMs: 1_000 } }),
      10,
    );
    world.looksFor(200, { ongoing: 50 });
    world.look({ ongoing: 400 });
    expect(world.look({ ongoing: 400 })).toMatchObject({ kind: "up", target: 40 });
  });
});

describe("replicas that still start", () => {
  test("are what waits is for: a backlog alone raises the target no further before they had their time", () => {
    const world = new World(configOf(), 1);
    expect(world.look({ ongoing: 40 }).target).toBe(4);
    for (let second = 1; second < 10; second++) expect(world.look({ running: 1, ongoing: 10, queued: 40 * second }).target).toBe(4);
    expect(world.look({ running: 1, ongoing: 10, queued: 400 }).target).toBeGreaterThan(4);
  });

  test("count from the begin of a deployment as well", () => {
    const world = new World(configOf(), 4);
    for (let second = 0; second < 10; second++) expect(world.look({ running: 0, queued: 100 * second + 40 }).target).toBe(4);
    expect(world.look({ running: 0, queued: 1_000 }).target).toBeGreaterThan(4);
  });

  test("do not stand in the way of more for requests in work", () => {
    const world = new World(configOf(), 2);
    world.look({ running: 1, ongoing: 80 });
    expect(world.look({ running: 1, ongoing: 80 }).target).toBe(8);
  });
});

describe("down-scaling holds, and says so,", () => {
  test("while a replica's load is not known, and until it was known for a whole look-back period", () => {
    const world = new World(configOf({ lookBackPeriodMs: 10_000 }), 5);
    world.looksFor(20, { ongoing: 50 });
    expect(world.looksFor(30, { ongoing: undefined }).target).toBe(5);
    const looks = Array.from({ length: 11 }, () => world.look({ ongoing: 10 }));
    expect(looks.at(-2)).toMatchObject({ kind: "hold", target: 5, verdict: { bound: "stale_load" } });
    expect(looks.at(-1)).toMatchObject({ kind: "down" });
  });

  test("with the reason, before a controller has watched for a whole look-back period", () => {
    const world = new World(configOf({ lookBackPeriodMs: 10_000 }), 5);
    for (let second = 0; second < 10; second++) {
      expect(world.look()).toMatchObject({
        kind: "hold",
        target: 5,
        verdict: { bound: "look_back_period", summary: expect.stringContaining("holds: this controller has not watched") },
      });
    }
    expect(world.look()).toMatchObject({ kind: "down", target: 1 });
  });

  test("whatever was seen before", () => {
    const ongoing = fc.option(fc.integer({ min: 0, max: 200 }), { nil: undefined, freq: 8 });
    const looks = fc.array(fc.tuple(ongoing, fc.integer({ min: 1, max: 8 })), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(looks, fc.integer({ min: 1, max: 12 }), fc.boolean(), (seen, lookBack, disabled) => {
        const config = configOf({ minReplicas: 0, lookBackPeriodMs: lookBack * 1_000, burst: { ...burst, disabled } });
        const world = new World(config, 10);
        let knownFor = -1;
        for (const [ongoing, times] of seen) {
          for (let time = 0; time < times; time++) {
            knownFor = ongoing === undefined ? -1 : knownFor + 1;
            const { kind } = world.look({ ongoing });
            if (knownFor < lookBack) expect(kind).not.toBe("down");
          }
        }
      }),
    );
  });

  test("but a load that is not known does not stop more replicas for what waits", () => {
    expect(new World(configOf(), 2).look({ ongoing: undefined, queued: 90 }).target).toBe(9);
  });
});

const anyConfig = fc
  .record({
    bounds: fc.tuple(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 1, max: 20 })),
    targetOngoingRequests: fc.double({ min: 0.01, max: 50, noNaN: true }),
    upscaleDelayMs: delay,
    downscaleDelayMs: delay,
    downscaleToZeroDelayMs: delay,
    upscalingFactor: fc.double({ min: 0.01, max: 1_000, noNaN: true }),
    downscalingFactor: fc.double({ min: 0.01, max: 1_000, noNaN: true }),
    lookBackPeriodMs: fc.integer({ min: 1, max: 40 }).map((seconds) => seconds * 1_000),
    aggregation: fc.constantFrom("MEAN" as const, "MAX" as const, "MIN" as const),
    bufferReplicas: fc.constantFrom(0, 1, 5, 30),
    disabled: fc.boolean(),
  })
  .map(({ bounds: [one, other], disabled, ...rest }) =>
    configOf({ ...rest, minReplicas: Math.min(one, other), maxReplicas: Math.max(one, other), burst: { ...burst, disabled } }),
  );
const anySeen = fc.record({
  ongoing: fc.option(fc.nat(10_000), { nil: undefined, freq: 6 }),
  queued: fc.oneof(fc.constant(0), fc.nat(100_000)),
  running: fc.nat(40),
  target: fc.nat(40),
  scheduledMin: fc.oneof(fc.constant(0), fc.nat(40)),
  startupMs: fc.nat(60_000),
});
/** Looks at any times, also back in time. */
const anyLooks = fc.array(fc.tuple(anySeen, fc.integer({ min: -5_000, max: 20_000 })), { minLength: 1, maxLength: 30 });

describe("whatever the input", () => {
  test("the bounds are kept, and the minimum of the schedules as far as max_replicas lets it", () => {
    fc.assert(
      fc.property(anyConfig, anyLooks, (config, looks) => {
        let [state, nowMs] = [firstAutoscaleState(config, startMs), startMs];
        for (const [seen, ms] of looks) {
          const next = decide(config, seen, state, nowMs);
          const { target, verdict } = next.decision;
          if (verdict.bound !== undefined) expect(verdict.rules.map(({ name }) => name)).toContain(verdict.bound);
          expect(Number.isInteger(target)).toBe(true);
          expect(target).toBeLessThanOrEqual(config.maxReplicas);
          expect(target).toBeGreaterThanOrEqual(Math.min(config.maxReplicas, Math.max(config.minReplicas, seen.scheduledMin)));
          state = next.state;
          nowMs += ms;
        }
      }),
    );
  });

  test("the same input gives the same decision, and no input is changed", () => {
    fc.assert(
      fc.property(anyConfig, anyLooks, (config, looks) => {
        let [state, nowMs] = [firstAutoscaleState(config, startMs), startMs];
        for (const [seen, ms] of looks) {
          const copy = structuredClone({ config, seen, state });
          const next = decide(config, seen, state, nowMs);
          expect({ config, seen, state }).toEqual(copy);
          expect(decide(copy.config, copy.seen, copy.state, nowMs)).toEqual(next);
          state = next.state;
          nowMs += ms;
        }
      }),
    );
  });

  test("the verdict has finite numbers, names its rules once, and says which way it goes", () => {
    fc.assert(
      fc.property(anyConfig, anySeen, (config, seen) => {
        const { decision } = decide(config, seen, firstAutoscaleState(config, startMs), startMs);
        const { verdict, target, kind } = decision;
        for (const value of [...Object.values(verdict.inputs), ...verdict.rules.map(({ value }) => value)])
          expect(Number.isFinite(value)).toBe(true);
        expect(new Set(verdict.rules.map(({ name }) => name)).size).toBe(verdict.rules.length);
        expect(kind === "up" ? 1 : kind === "down" ? -1 : 0).toBe(Math.sign(target - seen.target));
        expect(verdict.summary).toMatch(kind === "up" ? /^up from/ : kind === "down" ? /^down from/ : /^stays at/);
      }),
    );
  });
});

test("a schedule's minimum is gone up to at once, and left by the ordinary way down", () => {
  const world = new World(configOf({ downscaleDelayMs: 5_000, upscaleDelayMs: 600_000 }), 1);
  expect(world.look({ scheduledMin: 6 })).toMatchObject({ kind: "up", target: 6, verdict: { bound: "min_replicas" } });
  expect(world.looksFor(20, { scheduledMin: 6 }).target).toBe(6);
  expect(world.look()).toMatchObject({ kind: "down", target: 1, verdict: { bound: "downscale_delay" } });
});
