// What autoscaling asks of the API, over a store in memory and real gRPC.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, durationMs, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Effect } from "../../gen/drover/v1/controller_service_pb.ts";
import { Aggregation, type AutoscalingConfigSchema } from "../../gen/drover/v1/deployment_pb.ts";
import { type OpenedApi, openApi, specOf } from "./opened-api.ts";

type Config = MessageInitShape<typeof AutoscalingConfigSchema>;

let opened: OpenedApi;

beforeEach(async () => {
  opened = await openApi();
});
afterEach(() => opened.close());

const controller = () => opened.controller;
const seconds = (value: number) => durationFromMs(value * 1_000);
const sampleAt = (second: number, totalRequests: number) => ({ time: timestampFromMs(second * 1_000), totalRequests });
const schedule = { cron: "0 8 * * 1-5", timeZone: "Europe/Berlin", minReplicas: 2, duration: seconds(60) };

const wrong: readonly (readonly [what: string, config: Config, field: string, text: string])[] = [
  ["a bad cron", { schedules: [{ ...schedule, cron: "61 8 * * *" }] }, "autoscaling_config.schedules[0].cron", "61 8 * * *"],
  ["a cron of words", { schedules: [{ ...schedule, cron: "at noon" }] }, "autoscaling_config.schedules[0].cron", "no cron expression"],
  ["no cron", { schedules: [{ ...schedule, cron: "" }] }, "autoscaling_config.schedules[0].cron", ""],
  [
    "an unknown time zone",
    { schedules: [schedule, { ...schedule, timeZone: "Europe/Atlantis" }] },
    "autoscaling_config.schedules[1].time_zone",
    "Europe/Atlantis",
  ],
  [
    "a schedule that lasts no time",
    { schedules: [{ ...schedule, duration: seconds(0) }] },
    "autoscaling_config.schedules[0].duration",
    "1s",
  ],
  ["min > max", { minReplicas: 3, maxReplicas: 2 }, "autoscaling_config", "min_replicas must not be above max_replicas"],
  ["min above the max that is unset", { minReplicas: 2 }, "autoscaling_config", "min_replicas must not be above max_replicas"],
  ["an initial number out of bounds", { maxReplicas: 3, initialReplicas: 4 }, "autoscaling_config", "initial_replicas must be from"],
  ["a target of 0", { targetOngoingRequests: 0 }, "autoscaling_config.target_ongoing_requests", "got 0"],
  ["a negative target", { targetOngoingRequests: -2 }, "autoscaling_config.target_ongoing_requests", "got -2"],
  ["a target that is no number", { targetOngoingRequests: Number.NaN }, "autoscaling_config.target_ongoing_requests", "NaN"],
  ["an upscaling factor of 0", { upscalingFactor: 0 }, "autoscaling_config.upscaling_factor", "got 0"],
  ["a downscaling factor of 0", { downscalingFactor: 0 }, "autoscaling_config.downscaling_factor", "got 0"],
  ["a negative delay", { upscaleDelay: seconds(-1) }, "autoscaling_config.upscale_delay", "got -1s"],
  ["a burst threshold of 1", { burst: { threshold: 1 } }, "autoscaling_config.burst.threshold", "got 1"],
  [
    "a look-back period under the interval",
    { lookBackPeriod: seconds(5), metricsInterval: seconds(10) },
    "autoscaling_config",
    "look_back_period must not be shorter than metrics_interval",
  ],
];

const refusedWith = (field: string, text: string) => ({
  code: "INVALID_ARGUMENT",
  reason: "INVALID_FIELD",
  facts: { violations: expect.arrayContaining([{ field, description: expect.stringContaining(text) }]) },
});

describe("an autoscaling config", () => {
  test.each(wrong)("with %s is refused by its field", async (_, autoscalingConfig, field, text) => {
    await expect(controller().deploy({ spec: specOf("a", { autoscalingConfig }) })).rejects.toMatchObject(
      refusedWith(`spec.${field}`, text),
    );
    await expect(controller().simulateAutoscaling({ autoscalingConfig, samples: [sampleAt(0, 1)] })).rejects.toMatchObject(
      refusedWith(field, text),
    );
  });

  test("with several faults gets all of them in one error", async () => {
    const autoscalingConfig = { targetOngoingRequests: 0, schedules: [{ ...schedule, cron: "x", timeZone: "y" }] };
    const refused = await controller()
      .deploy({ spec: specOf("a", { autoscalingConfig }) })
      .catch((error: unknown) => error);
    const fields = (refused as { facts: { violations: { field: string }[] } }).facts.violations.map(({ field }) => field);
    expect(fields.sort()).toEqual([
      "spec.autoscaling_config.schedules[0].cron",
      "spec.autoscaling_config.schedules[0].time_zone",
      "spec.autoscaling_config.target_ongoing_requests",
    ]);
  });

  test("and num_replicas exclude each other, in every call that takes a spec", async () => {
    const spec = specOf("a", { numReplicas: 2, autoscalingConfig: { maxReplicas: 3 } });
    const refused = { code: "INVALID_ARGUMENT", facts: { violations: [{ description: expect.stringContaining("num_replicas") }] } };
    await expect(controller().deploy({ spec })).rejects.toMatchObject(refused);
    await expect(controller().apply({ specs: [spec] })).rejects.toMatchObject(refused);
  });

  test("comes back with every default", async () => {
    const { deployment } = await controller().deploy({ spec: specOf("a", { autoscalingConfig: { schedules: [schedule] } }) });
    expect(deployment?.spec).not.toHaveProperty("numReplicas");
    expect(deployment?.spec?.autoscalingConfig).toMatchObject({
      minReplicas: 1,
      maxReplicas: 1,
      targetOngoingRequests: 2,
      upscaleDelay: seconds(30),
      downscaleDelay: seconds(600),
      downscaleToZeroDelay: seconds(600),
      upscalingFactor: 1,
      downscalingFactor: 1,
      lookBackPeriod: seconds(30),
      metricsInterval: seconds(1),
      aggregation: Aggregation.MEAN,
      burst: { window: seconds(6), threshold: 2, disabled: false },
      schedules: [schedule],
    });
    expect(deployment?.spec?.autoscalingConfig).not.toHaveProperty("initialReplicas");
  });
});

describe("a deployment that follows its load", () => {
  const target = async (name = "a") => (await controller().getDeployment({ name })).deployment?.status?.targetReplicas;

  test.each([
    [{ minReplicas: 2, maxReplicas: 9, initialReplicas: 5 }, 5],
    [{ minReplicas: 2, maxReplicas: 9 }, 2],
    [{ minReplicas: 0, maxReplicas: 9 }, 0],
    [{ minReplicas: 0, maxReplicas: 9, initialReplicas: 0 }, 0],
    [{}, 1],
  ])("starts, if new, with initial_replicas, else min_replicas: %o", async (autoscalingConfig, replicas) => {
    const { deployment } = await controller().deploy({ spec: specOf("a", { autoscalingConfig }) });
    expect(deployment?.status?.targetReplicas).toBe(replicas);
    expect(await target()).toBe(replicas);
  });

  test("keeps its number when its bounds change, as far as they let it", async () => {
    const deploy = (autoscalingConfig: Config) => controller().deploy({ spec: specOf("a", { autoscalingConfig }) });
    await deploy({ maxReplicas: 9, initialReplicas: 5 });
    expect(await deploy({ maxReplicas: 8, initialReplicas: 2 })).toMatchObject({ effect: Effect.LIVE });
    expect(await target()).toBe(5);
    await deploy({ maxReplicas: 4 });
    expect(await target()).toBe(4);
    await deploy({ minReplicas: 6, maxReplicas: 7 });
    expect(await target()).toBe(6);
  });

  test("goes on with as many as it had where it did not follow it before, and back", async () => {
    await controller().deploy({ spec: specOf("a", { numReplicas: 4 }) });
    await controller().deploy({ spec: specOf("a", { autoscalingConfig: { maxReplicas: 9 } }) });
    expect(await target()).toBe(4);
    await controller().deploy({ spec: specOf("a", { numReplicas: 2 }) });
    expect(await target()).toBe(2);
  });

  test("cannot be scaled by hand, and says what to do", async () => {
    await controller().deploy({ spec: specOf("a", { autoscalingConfig: { maxReplicas: 9 } }) });
    const refused = { code: "FAILED_PRECONDITION", reason: "AUTOSCALED", message: expect.stringContaining("num_replicas") };
    await expect(controller().scale({ name: "a", numReplicas: 3 })).rejects.toMatchObject(refused);
    expect(await target()).toBe(1);
    expect((await controller().getDeployment({ name: "a" })).deployment?.status?.generation).toBe(1n);
  });
});

describe("a simulation", () => {
  test("runs the autoscaler over the trace and returns each change with its reason", async () => {
    const { points, replicaHours, shortOfCapacity, changes } = await controller().simulateAutoscaling({
      autoscalingConfig: { maxReplicas: 50, targetOngoingRequests: 10, burst: { disabled: true } },
      samples: [sampleAt(0, 0), sampleAt(60, 200), sampleAt(240, 200)],
      startupDelay: seconds(10),
    });
    const told = points.map(({ time, desired, running, totalRequests, why }) => {
      return [time === undefined ? 0 : timestampMs(time) / 1_000, desired, running, totalRequests, why !== ""];
    });
    expect(told[0]).toEqual([0, 1, 1, 0, false]);
    expect(told.at(-1)).toEqual([240, 20, 20, 200, false]);
    expect(told.filter(([, , , , changed]) => changed)).toHaveLength(changes);
    expect(Math.max(...points.map(({ desired }) => desired))).toBe(20);
    expect(points.find(({ why }) => why !== "")?.why).toMatch(/^up from 1 to \d+ replicas: the load held for the whole upscale delay$/);
    expect(replicaHours).toBeGreaterThan(0);
    expect(shortOfCapacity === undefined ? 0 : durationMs(shortOfCapacity)).toBeGreaterThan(30_000);
  });

  test("begins with initial_replicas, else min_replicas", async () => {
    const first = async (autoscalingConfig: Config) =>
      (await controller().simulateAutoscaling({ autoscalingConfig, samples: [sampleAt(0, 0)] })).points[0]?.running;
    expect(await first({ minReplicas: 2, maxReplicas: 9, initialReplicas: 5 })).toBe(5);
    expect(await first({ minReplicas: 2, maxReplicas: 9 })).toBe(2);
  });

  test("holds the minimum of its schedules while they hold", async () => {
    // The trace begins at midnight of 1 January 1970, UTC.
    const nights = { cron: "5 0 * * *", timeZone: "", minReplicas: 4, duration: seconds(120) };
    const { points } = await controller().simulateAutoscaling({
      autoscalingConfig: { maxReplicas: 9, downscaleDelay: seconds(60), schedules: [nights] },
      samples: [sampleAt(0, 1), sampleAt(900, 1)],
    });
    const changed = points.filter(({ why }) => why !== "").map(({ time, desired }) => [time ? timestampMs(time) / 1_000 : 0, desired]);
    expect(changed[0]).toEqual([300, 4]);
    expect(changed.at(-1)?.[1]).toBe(1);
    expect(changed.at(-1)?.[0]).toBeGreaterThanOrEqual(420);
  });

  test.each([
    ["times that run backwards", [sampleAt(0, 1), sampleAt(5, 1), sampleAt(4, 1)], "samples[2].time", "later"],
    ["two samples of one time", [sampleAt(0, 1), sampleAt(0, 1)], "samples[1].time", "later"],
    ["more than two days", [sampleAt(0, 1), sampleAt(2 * 86_400 + 1, 1)], "samples", "2 days"],
    ["a sample without a time", [{ totalRequests: 1 }], "samples[0].time", ""],
    ["a negative load", [sampleAt(0, -1)], "samples[0].total_requests", "got -1"],
    ["no samples", [], "samples", ""],
  ])("of %s is refused by its field", async (_, samples, field, text) => {
    await expect(controller().simulateAutoscaling({ autoscalingConfig: {}, samples })).rejects.toMatchObject(refusedWith(field, text));
  });

  test("without a config, or with a start-up of more than an hour, is refused by its field", async () => {
    await expect(controller().simulateAutoscaling({ samples: [sampleAt(0, 1)] })).rejects.toMatchObject(
      refusedWith("autoscaling_config", ""),
    );
    await expect(
      controller().simulateAutoscaling({ autoscalingConfig: {}, samples: [sampleAt(0, 1)], startupDelay: seconds(3_601) }),
    ).rejects.toMatchObject(refusedWith("startup_delay", ""));
  });
});
