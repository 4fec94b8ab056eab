import { ExternalScaler, type ScaledObjectRef } from "../../gen/externalscaler/externalscaler_pb.ts";
import type { Clock } from "../clock/clock.ts";
import type { DeploymentRecord } from "../core/deployment.ts";
import { type FieldViolation, invalid } from "../core/errors.ts";
import { type Implementation, implement } from "../rpc/service.ts";
import type { Mirror } from "../store/mirror.ts";
import type { Observed } from "./convert.ts";
import { notFound } from "./refusals.ts";

/** Time between two checks for a stream. */
const checkMs = 1_000;
/** The bound of `target_ongoing_requests`, as in a deployment's spec. */
const targetMax = 1_000_000;
/** The target for a deployment without an autoscaling config. */
const targetDefault = 2;

export interface ExternalScalerOptions {
  readonly mirror: Mirror;
  readonly observed: Pick<Observed, "deployment">;
  readonly clock: Clock;
}

/** The deployment that KEDA asks about. */
interface Asked {
  readonly record: DeploymentRecord;
  /** The load for each replica of what KEDA scales. */
  readonly target: number;
}

/**
 * KEDA's `externalscaler.ExternalScaler`: the load of a deployment as a metric to scale something
 * else by.
 */
export function externalScaler({ mirror, observed, clock }: ExternalScalerOptions): Implementation {
  const read = async (ref: ScaledObjectRef | undefined, root: string): Promise<Asked> => {
    await mirror.catchUp().catch(() => {});
    return askedBy(mirror, ref, root);
  };
  const loadOf = ({ spec: { name } }: DeploymentRecord): number => {
    const { ongoing, queued } = observed.deployment(name);
    return ongoing + queued;
  };
  const isActive = ({ record }: Asked): boolean => {
    const { autoscalingConfig, numReplicas } = record.spec;
    return loadOf(record) > 0 || (autoscalingConfig?.minReplicas ?? numReplicas) > 0;
  };
  return implement(ExternalScaler, {
    isActive: async (ref) => ({ result: isActive(await read(ref, "")) }),
    async *streamIsActive(ref, { signal }) {
      let last: boolean | undefined;
      for (let asked = await read(ref, ""); !signal.aborted; asked = askedBy(mirror, ref, "")) {
        const result = isActive(asked);
        if (result !== last) yield { result };
        last = result;
        await clock.sleep(checkMs, signal);
      }
    },
    getMetricSpec: async (ref) => {
      const { record, target } = await read(ref, "");
      const targetSize = BigInt(Math.max(1, Math.round(target)));
      return { metricSpecs: [{ metricName: metricOf(record), targetSize, targetSizeFloat: target }] };
    },
    getMetrics: async ({ scaledObjectRef, metricName: asked }) => {
      const { record } = await read(scaledObjectRef, "scaledObjectRef.");
      const metricName = metricOf(record);
      // Some versions of KEDA put the trigger's index before the name.
      if (asked !== "" && asked.replace(/^s\d+-/, "") !== metricName)
        throw invalid([{ field: "metricName", description: `must be ${JSON.stringify(metricName)} (got ${JSON.stringify(asked)})` }]);
      const load = loadOf(record);
      return { metricValues: [{ metricName, metricValue: BigInt(load), metricValueFloat: load }] };
    },
  });
}

function metricOf({ spec: { name } }: DeploymentRecord): string {
  return `drover-${name}`;
}

/** Fails with INVALID_FIELD, naming all that is wrong, or DEPLOYMENT_NOT_FOUND. */
function askedBy(mirror: Mirror, ref: ScaledObjectRef | undefined, root: string): Asked {
  const { deployment = "", targetOngoingRequests: given } = ref?.scalerMetadata ?? {};
  const target = given === undefined || given.trim() === "" ? undefined : Number(given);
  const violations: FieldViolation[] = [];
  if (deployment === "")
    violations.push({
      field: `${root}scalerMetadata["deployment"]`,
      description: "must be the name of a deployment: set it in the trigger",
    });
  if (target !== undefined && !(target > 0 && target <= targetMax))
    violations.push({
      field: `${root}scalerMetadata["targetOngoingRequests"]`,
      description: `must be a number above 0, and at most ${targetMax} (got ${JSON.stringify(given)})`,
    });
  if (violations.length > 0) throw invalid(violations);
  const record = mirror.deployment(deployment)?.value ?? notFound(deployment);
  return { record, target: target ?? record.spec.autoscalingConfig?.targetOngoingRequests ?? targetDefault };
}
