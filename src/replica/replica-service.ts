import { durationMs } from "@bufbuild/protobuf/wkt";
import {
  DrainRequestSchema,
  ReconfigurePhase,
  type ReconfigureRequest,
  ReplicaService,
  WatchLoadRequestSchema,
} from "../../gen/drover/replica/v1/replica_service_pb.ts";
import type { Clock } from "../clock/clock.ts";
import { type FieldViolation, invalid, refusal } from "../core/errors.ts";
import { valueToJson } from "../rpc/json-value.ts";
import { malformed } from "../rpc/malformed.ts";
import { type Implementation, implement, type ServiceHandlers } from "../rpc/service.ts";
import type { Control } from "./control.ts";
import type { Load } from "./load.ts";
import type { ProgramConfig } from "./program-config.ts";
import { programReport } from "./program-report.ts";
import type { Identity } from "./request-view.ts";

const intervalMinMs = 50;
const intervalMaxMs = 60_000;
const intervalDefaultMs = 1_000;
const graceMaxMs = 3_600_000;

/** The parts of a replica that `ReplicaService` uses. */
export interface ReplicaParts {
  readonly identity: Identity;
  readonly load: Load;
  readonly config: ProgramConfig;
  readonly control: Control;
  /** The full names of the services that take requests. */
  readonly services: readonly string[];
  readonly clock: Clock;
}

type Handlers = ServiceHandlers<typeof ReplicaService>;

/** `ReplicaService`: a controller observes and controls this replica by it. */
export function replicaService(parts: ReplicaParts): Implementation {
  const { identity } = parts;
  return implement(ReplicaService, {
    getInfo: () => ({
      ...identity,
      revision: BigInt(identity.revision),
      configGeneration: parts.config.generation,
      services: [...parts.services],
    }),
    reconfigure: reconfigureHandler(parts),
    watchLoad: watchLoadHandler(parts),
    drain: drainHandler(parts),
  });
}

const stepOfPhase: Readonly<Record<number, "prepare" | "apply" | "revert">> = {
  [ReconfigurePhase.UNSPECIFIED]: "apply",
  [ReconfigurePhase.PREPARE]: "prepare",
  [ReconfigurePhase.APPLY]: "apply",
  [ReconfigurePhase.REVERT]: "revert",
};

function reconfigureHandler({ config, control }: ReplicaParts): Handlers["reconfigure"] {
  return async (request, context) => {
    const { phase, configGeneration: generation, userConfig, epoch, maxOngoingRequests: ongoingMax } = request;
    control.check(context, epoch);
    const step = stepOfPhase[phase];
    const violations = violationsOf(request);
    if (violations.length > 0 || step === undefined) throw invalid(violations);
    const change = { generation, userConfig: userConfig && valueToJson(userConfig), ongoingMax };
    const configGeneration = await config[step](change, () => {
      if (context.signal.aborted) throw refusal("CANCELLED", "the caller left before its change was made");
      control.checkEpoch(epoch);
    });
    return { configGeneration };
  };
}

function violationsOf({ phase, configGeneration, maxOngoingRequests }: ReconfigureRequest): readonly FieldViolation[] {
  const violations: FieldViolation[] = [];
  // A later version of the proto may have other phases.
  if (!stepOfPhase[phase]) violations.push({ field: "phase", description: `this replica knows no phase ${phase}` });
  if (configGeneration < 1n) violations.push({ field: "config_generation", description: `must be 1 or more, not ${configGeneration}` });
  if (maxOngoingRequests !== undefined && maxOngoingRequests < 1) {
    violations.push({ field: "max_ongoing_requests", description: `must be 1 or more, not ${maxOngoingRequests}` });
  }
  return violations;
}

function watchLoadHandler({ load, config, clock }: ReplicaParts): Handlers["watchLoad"] {
  return async function* (request, { signal }) {
    const { interval } = request;
    refuse(malformed(WatchLoadRequestSchema, request));
    const intervalMs = interval ? Math.min(Math.max(durationMs(interval), intervalMinMs), intervalMaxMs) : intervalDefaultMs;
    while (!signal.aborted) {
      const { ongoing, completed, failed } = load.report();
      yield {
        ...programReport(),
        ongoingRequests: BigInt(ongoing),
        completedTotal: BigInt(completed),
        failedTotal: BigInt(failed),
        configGeneration: config.generation,
      };
      await clock.sleep(intervalMs, signal);
    }
  };
}

function drainHandler({ load, control, clock }: ReplicaParts): Handlers["drain"] {
  return async (request, context) => {
    const { gracePeriod, epoch } = request;
    control.check(context, epoch);
    refuse(malformed(DrainRequestSchema, request));
    load.drain();
    const graceMs = gracePeriod ? Math.min(Math.max(durationMs(gracePeriod), 0), graceMaxMs) : 0;
    if (graceMs > 0) await idleWithin(load, graceMs, clock, context.signal);
    return { ongoingRequests: BigInt(load.report().ongoing) };
  };
}

function refuse(violations: readonly FieldViolation[]): void {
  if (violations.length > 0) throw invalid(violations);
}

/** Waits until no request is ongoing, for at most `graceMs`, or until the signal aborts. */
export async function idleWithin(load: Load, graceMs: number, clock: Clock, signal?: AbortSignal): Promise<void> {
  const idle = new AbortController();
  const either = signal ? AbortSignal.any([signal, idle.signal]) : idle.signal;
  await Promise.race([load.idle(), clock.sleep(graceMs, either)]);
  idle.abort();
}
