import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, durationMs, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import type { SimulateAutoscalingRequest, SimulateAutoscalingResponseSchema } from "../../gen/drover/v1/controller_service_pb.ts";
import type { FieldViolation } from "../core/errors.ts";
import { autoscaler, simulate } from "../core/simulate-autoscaling.ts";
import type { Handlers } from "./controller-parts.ts";
import { autoscalingFromMessage, scheduleViolations } from "./convert-autoscaling.ts";

/** The longest trace: it is run second by second, and nothing else meanwhile. */
const traceMaxMs = 2 * 86_400_000;
/** Points told at the most. */
const pointsMax = 100_000;

/** The autoscaler over a trace. */
export function simulateHandlers(): Handlers<"simulateAutoscaling"> {
  return { simulateAutoscaling: async (request) => simulated(request) };
}

export function simulateViolations({ autoscalingConfig, samples }: SimulateAutoscalingRequest): readonly FieldViolation[] {
  const times = samples.map(({ time }) => (time === undefined ? Number.NaN : timestampMs(time)));
  const back = times.findIndex((time, index) => index > 0 && !(time > (times[index - 1] ?? Number.NaN)));
  const lengthMs = (times.at(-1) ?? 0) - (times[0] ?? 0);
  return [
    ...scheduleViolations(autoscalingConfig, "autoscaling_config"),
    ...(back < 0 ? [] : [{ field: `samples[${back}].time`, description: "must be later than that of the sample before" }]),
    ...(back < 0 && lengthMs > traceMaxMs ? [{ field: "samples", description: "must be of at most 2 days" }] : []),
  ];
}

function simulated(request: SimulateAutoscalingRequest): MessageInitShape<typeof SimulateAutoscalingResponseSchema> {
  if (request.autoscalingConfig === undefined) throw new Error("validation lets no request without a config through");
  const config = autoscalingFromMessage(request.autoscalingConfig);
  const startupMs = request.startupDelay === undefined ? 0 : durationMs(request.startupDelay);
  const samples = request.samples.map(({ time, totalRequests }) => ({
    timeMs: time === undefined ? 0 : timestampMs(time),
    load: totalRequests,
  }));
  const { minReplicas, initialReplicas: initial = minReplicas, targetOngoingRequests } = config;
  const scaler = autoscaler(config, startupMs, samples[0]?.timeMs ?? 0);
  const { points, replicaMs, shortMs, changes } = simulate(scaler, samples, { startupMs, initial, targetOngoingRequests });
  return {
    points: points
      .slice(0, pointsMax)
      .map(({ timeMs, load, ...point }) => ({ time: timestampFromMs(timeMs), totalRequests: load, ...point })),
    replicaHours: replicaMs / 3_600_000,
    shortOfCapacity: durationFromMs(shortMs),
    changes,
  };
}
