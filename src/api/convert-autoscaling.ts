import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Duration, durationFromMs, durationMs } from "@bufbuild/protobuf/wkt";
import { validateDetailed } from "node-cron";
import { Aggregation, type AutoscalingConfigSchema, type AutoscalingConfig as Message } from "../../gen/drover/v1/deployment_pb.ts";
import { type AutoscalingConfig, defaultAutoscaling } from "../core/autoscaling-config.ts";
import type { FieldViolation } from "../core/errors.ts";

const msOf = (duration: Duration | undefined, unsetMs: number): number => (duration === undefined ? unsetMs : durationMs(duration));

/** The config with every default filled in. */
export function autoscalingFromMessage(message: Message): AutoscalingConfig {
  const unset = defaultAutoscaling;
  const downscaleDelayMs = msOf(message.downscaleDelay, unset.downscaleDelayMs);
  const aggregations = { [Aggregation.MAX]: "MAX", [Aggregation.MIN]: "MIN" } as const;
  return {
    minReplicas: message.minReplicas ?? unset.minReplicas,
    maxReplicas: message.maxReplicas ?? unset.maxReplicas,
    ...(message.initialReplicas === undefined ? {} : { initialReplicas: message.initialReplicas }),
    ...(message.bufferReplicas === undefined ? {} : { bufferReplicas: message.bufferReplicas }),
    targetOngoingRequests: message.targetOngoingRequests ?? unset.targetOngoingRequests,
    upscaleDelayMs: msOf(message.upscaleDelay, unset.upscaleDelayMs),
    downscaleDelayMs,
    downscaleToZeroDelayMs: msOf(message.downscaleToZeroDelay, downscaleDelayMs),
    upscalingFactor: message.upscalingFactor ?? unset.upscalingFactor,
    downscalingFactor: message.downscalingFactor ?? unset.downscalingFactor,
    lookBackPeriodMs: msOf(message.lookBackPeriod, unset.lookBackPeriodMs),
    metricsIntervalMs: msOf(message.metricsInterval, unset.metricsIntervalMs),
    aggregation: (aggregations as Readonly<Record<number, "MAX" | "MIN">>)[message.aggregation] ?? unset.aggregation,
    burst: {
      windowMs: msOf(message.burst?.window, unset.burst.windowMs),
      threshold: message.burst?.threshold ?? unset.burst.threshold,
      disabled: message.burst?.disabled ?? unset.burst.disabled,
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
    ...(config.bufferReplicas === undefined ? {} : { bufferReplicas: config.bufferReplicas }),
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

/** The cron expressions and time zones of a config's schedules that are wrong. */
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
