import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, durationMs, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import type {
  SimulateAutoscalingRequest,
  SimulateAutoscalingResponseSchema,
  SimulatedPointSchema,
} from "../../gen/drover/v1/controller_service_pb.ts";
import { pacing } from "../clock/breathe.ts";
import { autoscaler, type LoadSample, simulating } from "../core/autoscaling/simulate-autoscaling.ts";
import { type FieldViolation, refusal } from "../core/errors.ts";
import type { ControllerHandlers, ControllerParts } from "./controller-parts.ts";
import { autoscalingFromMessage, scheduleViolations } from "./convert-autoscaling.ts";

/** The longest trace, which is simulated second by second. */
const traceMaxMs = 2 * 86_400_000;
/** The most points returned. */
const pointsMax = 100_000;
/** Seconds of a trace simulated at once: about 10 ms, in which this process does nothing else. */
const ticksAtOnce = 500;

/** Simulations of the autoscaler. */
export function simulateHandlers(parts: ControllerParts): ControllerHandlers<"simulateAutoscaling"> {
  return { simulateAutoscaling: (request, { signal }) => simulated(parts, request, AbortSignal.any([signal, parts.closing])) };
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

async function simulated(
  { clock, openSchedules }: ControllerParts,
  request: SimulateAutoscalingRequest,
  signal: AbortSignal,
): Promise<MessageInitShape<typeof SimulateAutoscalingResponseSchema>> {
  if (request.autoscalingConfig === undefined) throw new Error("validation lets no request without a config through");
  const config = autoscalingFromMessage(request.autoscalingConfig);
  const startupMs = request.startupDelay === undefined ? 0 : durationMs(request.startupDelay);
  const pace = pacing(() => clock.nowMs());
  const samples: LoadSample[] = [];
  for (const { time, totalRequests } of request.samples) {
    samples.push({ timeMs: time === undefined ? 0 : timestampMs(time), load: totalRequests });
    await pace();
  }
  const { minReplicas, initialReplicas: initial = minReplicas, targetOngoingRequests, schedules } = config;
  const scheduledMin = openSchedules();
  const scaler = autoscaler(config, startupMs, samples[0]?.timeMs ?? 0, (nowMs) => scheduledMin(schedules, nowMs));
  const run = simulating(scaler, samples, { startupMs, initial, targetOngoingRequests });
  let tick = run.next();
  for (let ticks = 1; !tick.done; tick = run.next(), ticks++) {
    if (ticks % ticksAtOnce === 0) await clock.sleep(0, signal);
    if (signal.aborted) throw refusal("CANCELLED", "the caller left, or the controller stops");
  }
  const { points, replicaMs, shortMs, changes } = tick.value;
  const shown: MessageInitShape<typeof SimulatedPointSchema>[] = [];
  for (const { timeMs, load, ...point } of points.slice(0, pointsMax)) {
    shown.push({ time: timestampFromMs(timeMs), totalRequests: load, ...point });
    await pace();
  }
  return {
    points: shown,
    replicaHours: replicaMs / 3_600_000,
    shortOfCapacity: durationFromMs(shortMs),
    changes,
  };
}
