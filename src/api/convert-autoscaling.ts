import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Duration, durationFromMs, durationMs } from "@bufbuild/protobuf/wkt";
import { validateDetailed } from "node-cron";
import { Aggregation, type AutoscalingConfigSchema, type AutoscalingConfig as Message } from "../../gen/drover/v1/deployment_pb.ts";
import type { AutoscalingConfig } from "../core/autoscale.ts";
import type { FieldViolation } from "../core/errors.ts";

const msOf = (duration: Duration | undefined, unsetMs: number): number => (duration === undefined ? unsetMs : durationMs(duration));

/** The config with every default filled in. */
export function autoscalingFromMessage(message: Message): AutoscalingConfig {
  const downscaleDelayMs = msOf(message.downscaleDelay, 600_000);
  const aggregations = { [Aggregation.MAX]: "MAX", [Aggregation.MIN]: "MIN" } as const;
  return {
    minReplicas: message.minReplicas ?? 1,
    maxReplicas: message.maxReplicas ?? 1,
    ...(message.initialReplicas === undefined ? {} : { initialReplicas: message.initialReplicas }),
    targetOngoingRequests: message.targetOngoingRequests ?? 2,
    upscaleDelayMs: msOf(message.upscaleDelay, 30_000),
    downscaleDelayMs,
    downscaleToZeroDelayMs: msOf(message.downscaleToZeroDelay, downscaleDelayMs),
    upscalingFactor: message.upscalingFactor ?? 1,
    downscalingFactor: message.downscalingFactor ?? 1,
    lookBackPeriodMs: msOf(message.lookBackPeriod, 30_000),
    metricsIntervalMs: msOf(message.metricsInterval, 1_000),
    aggregation: (aggregations as Readonly<Record<number, "MAX" | "MIN">>)[message.aggregation] ?? "MEAN",
    burst: {
      windowMs: msOf(message.burst?.window, 6_000),
      threshold: message.burst?.threshold ?? 2,
      disabled: message.burst?.disabled ?? false,
    },
    schedules: message.schedules.map(({ cron, timeZone, minReplicas, duration }) => ({
      cron,
      timeZone,
      minReplicas,
      durationMs: msOf(duration, 0),
    })),
  };
}

export function autoscalingToMessage(config: AutoscalingConfig): MessageInitShape<typeof AutoscalingConfigSchema> {
  return {
    minReplicas: config.minReplicas,
    maxReplicas: config.maxReplicas,
    ...(config.initialReplicas === undefined ? {} : { initialReplicas: config.initialReplicas }),
    targetOngoingRequests: config.targetOngoingRequests,
    upscaleDelay: durationFromMs(config.upscaleDelayMs),
    downscaleDelay: durationFromMs(config.downscaleDelayMs),
    downscaleToZeroDelay: durationFromMs(config.downscaleToZeroDelayMs),
    upscalingFactor: config.upscalingFactor,
    downscalingFactor: config.downscalingFactor,
    lookBackPeriod: durationFromMs(config.lookBackPeriodMs),
    metricsInterval: durationFromMs(config.metricsIntervalMs),
    aggregation: Aggregation[config.aggregation],
    burst: { window: durationFromMs(config.burst.windowMs), threshold: config.burst.threshold, disabled: config.burst.disabled },
    schedules: config.schedules.map(({ durationMs, ...schedule }) => ({ ...schedule, duration: durationFromMs(durationMs) })),
  };
}

/** What is wrong with the times of a config's schedules. */
export function scheduleViolations(message: Message | undefined, root: string): readonly FieldViolation[] {
  return (message?.schedules ?? []).flatMap(({ cron, timeZone }, index): readonly FieldViolation[] => {
    const { valid, errors } = validateDetailed(cron);
    const problem = errors.map(({ message: text }) => text).join("; ");
    return [
      ...(valid
        ? []
        : [{ field: `${root}.schedules[${index}].cron`, description: `is no cron expression: ${problem} (got ${JSON.stringify(cron)})` }]),
      ...(isTimeZone(timeZone)
        ? []
        : [
            {
              field: `${root}.schedules[${index}].time_zone`,
              description: `is no known time zone, such as Europe/Berlin (got ${JSON.stringify(timeZone)})`,
            },
          ]),
    ];
  });
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name === "" ? "UTC" : name });
    return true;
  } catch {
    return false;
  }
}
