import { create, type JsonValue, type MessageInitShape } from "@bufbuild/protobuf";
import { type Duration, durationFromMs, durationMs, timestampFromMs, type Value } from "@bufbuild/protobuf/wkt";
import {
  type Deployment,
  DeploymentSchema,
  type DeploymentSpec as DeploymentSpecMessage,
  type DeploymentSpecSchema,
  DeploymentState,
  type Program as ProgramMessage,
  type Replica,
  ReplicaSchema,
  ReplicaState,
  type Resources as ResourcesMessage,
  type ResourcesSchema,
  type Rollout as RolloutMessage,
  RolloutStrategy,
} from "../../gen/drover/v1/deployment_pb.ts";
import type { DeploymentRecord, DeploymentSpec, Program, ProgressRecord } from "../core/deployment.ts";
import type { Json } from "../core/json.ts";
import { ofLife } from "../core/lineage.ts";
import type { Room } from "../core/placement/room.ts";
import type { ReplicaState as CoreReplicaState, ReplicaRecord } from "../core/replica.ts";
import type { Resources } from "../core/resources.ts";
import { conditionsOf } from "../core/rollout/conditions.ts";
import { type DeploymentState as CoreDeploymentState, statusOf } from "../core/rollout/status.ts";
import { defaultRollout, type RolloutPolicy } from "../core/rollout-policy.ts";
import type { BatchCounts } from "../core/traffic/batch-counts.ts";
import { replicaInWords } from "../core/words/replica-words.ts";
import { statusInWords } from "../core/words/status-words.ts";
import { jsonToValue, valueToJson } from "../rpc/json-value.ts";
import { autoscalingFromMessage, autoscalingToMessage } from "./convert-autoscaling.ts";
import { conditionToMessage, replicaFactsToMessage } from "./convert-facts.ts";

/** What is observed of one replica. */
export interface ObservedLoad {
  /** Requests in work, whether a gateway sent them or a caller did directly. */
  readonly ongoing: number;
  /** Requests that ended with OK, and with another status, since the replica started. */
  readonly completed: number;
  readonly failed: number;
  /** The generation of the config it serves by; undefined: not known yet. */
  readonly configGeneration: number | undefined;
  /** It has said nothing for so long that it gets no requests, until it is heard again. */
  readonly silent: boolean;
  /** The models that it has loaded or is loading, and how many it holds. Absent: it reports none. */
  readonly models?: readonly string[] | undefined;
  readonly maxModels?: number | undefined;
  /** What its methods have done in batches. Absent: none, or not known. */
  readonly batches?: readonly BatchCounts[] | undefined;
}

/** What is observed of deployments and replicas, and is not in the store. */
export interface Observed {
  replica(replicaId: string): ObservedLoad | undefined;
  /**
   * The load of a deployment: requests in work at the replicas that run, and requests that wait at
   * gateways.
   */
  deployment(name: string): { readonly ongoing: number; readonly queued: number };
  /** The process of a replica; 0: it has none. */
  pid(replicaId: string): number | undefined;
}

const milli = (amount: number): number => Math.round(amount * 1_000);

/** The spec with every default filled in. The message must be valid. */
export function specFromMessage(message: DeploymentSpecMessage): DeploymentSpec {
  const userConfig = jsonOf(message.userConfig);
  const { runtimeEnv, resources, healthCheck } = message;
  return {
    name: message.name,
    ...(message.application === "" ? {} : { application: message.application }),
    version: message.version,
    program: programFromMessage(message.program),
    initArgs: message.initArgs ?? {},
    runtimeEnv: {
      workingDir: runtimeEnv?.workingDir ?? "",
      envVars: { ...runtimeEnv?.envVars },
      npm: runtimeEnv?.npm ?? [],
      pip: runtimeEnv?.pip ?? [],
      ...(runtimeEnv?.bundle ? { bundle: runtimeEnv.bundle } : {}),
      ...(runtimeEnv?.lockfile ? { lockfile: runtimeEnv.lockfile } : {}),
      ...(runtimeEnv?.image ? { image: runtimeEnv.image } : {}),
    },
    numReplicas: message.numReplicas ?? 1,
    ...(message.autoscalingConfig && { autoscalingConfig: autoscalingFromMessage(message.autoscalingConfig) }),
    resources: {
      cpuMilli: milli(resources?.numCpus ?? 1),
      gpuMilli: milli(resources?.numGpus ?? 0),
      memoryBytes: Number(resources?.memoryBytes ?? 0n),
      ...customOf(resources),
    },
    maxOngoingRequests: message.maxOngoingRequests ?? 5,
    ...(message.maxQueuedRequests === undefined ? {} : { maxQueuedRequests: message.maxQueuedRequests }),
    ...(message.maxMessageBytes === undefined ? {} : { maxMessageBytes: Number(message.maxMessageBytes) }),
    ...(userConfig === undefined ? {} : { userConfig }),
    healthCheck: {
      periodMs: msOf(healthCheck?.period, 10_000),
      timeoutMs: msOf(healthCheck?.timeout, 30_000),
      failureThreshold: healthCheck?.failureThreshold ?? 3,
    },
    gracefulShutdownTimeoutMs: msOf(message.gracefulShutdownTimeout, 20_000),
    startupTimeoutMs: msOf(message.startupTimeout, 60_000),
    requestTimeoutMs: msOf(message.requestTimeout, 0),
    labels: { ...message.labels },
    rollout: rolloutFromMessage(message.rollout),
  };
}

function customOf(resources: ResourcesMessage | undefined): Pick<Resources, "custom"> {
  const amounts = Object.entries(resources?.custom ?? {});
  return amounts.length === 0 ? {} : { custom: Object.fromEntries(amounts.map(([name, amount]) => [name, milli(amount)])) };
}

function rolloutFromMessage(message: RolloutMessage | undefined): RolloutPolicy {
  return {
    maxUnavailablePercent: message?.maxUnavailablePercent ?? defaultRollout.maxUnavailablePercent,
    maxSurgePercent: message?.maxSurgePercent ?? defaultRollout.maxSurgePercent,
    strategy: message?.strategy === RolloutStrategy.AVAILABILITY ? "AVAILABILITY" : "AUTO",
    minReadyTimeMs: msOf(message?.minReadyTime, defaultRollout.minReadyTimeMs),
    progressDeadlineMs: msOf(message?.progressDeadline, defaultRollout.progressDeadlineMs),
    maxStartFailures: message?.maxStartFailures ?? defaultRollout.maxStartFailures,
    autoRollback: message?.autoRollback ?? defaultRollout.autoRollback,
  };
}

function programFromMessage(message: ProgramMessage | undefined): Program {
  const kind = message?.kind;
  if (kind?.case === "module") return { kind: "module", path: kind.value.path, exportName: kind.value.exportName };
  if (kind?.case === "command") return { kind: "command", argv: kind.value.argv };
  throw new Error("validation lets no spec without a program through");
}

/** A Value as JSON. It must have passed the checks of specs. */
export function jsonOf(message: Value | undefined): Json | undefined {
  return message === undefined ? undefined : valueToJson(message);
}

function msOf(duration: Duration | undefined, unsetMs: number): number {
  return duration === undefined ? unsetMs : durationMs(duration);
}

/** A deployment as clients see it: its spec, and its status by records and observation. */
export function deploymentToMessage(
  record: DeploymentRecord,
  progress: ProgressRecord | undefined,
  replicas: readonly ReplicaRecord[],
  observed: Observed,
  room: Room,
): Deployment {
  const status = statusOf(record, progress, replicas);
  const conditions = conditionsOf(record, progress, replicas, room);
  const load = observed.deployment(record.spec.name);
  return create(DeploymentSchema, {
    spec: specToMessage(record.spec),
    status: {
      state: deploymentStates[status.state],
      message: statusInWords(record, status, conditions),
      generation: BigInt(record.generation),
      observedGeneration: BigInt(ofLife(progress, record)?.observedGeneration ?? 0),
      revision: BigInt(record.revision),
      configGeneration: BigInt(record.configGeneration),
      targetReplicas: status.target,
      runningReplicas: status.running,
      updatedReplicas: status.updated,
      ongoingRequests: BigInt(load.ongoing),
      queuedRequests: BigInt(load.queued),
      reconciling: status.reconciling,
      paused: record.pausedSinceMs !== undefined,
      conditions: conditions.map((condition) => conditionToMessage(condition, record.spec.name)),
    },
    uid: record.uid,
    createTime: timestampFromMs(record.createdAtMs),
    updateTime: timestampFromMs(record.updatedAtMs),
  });
}

const deploymentStates: Readonly<Record<CoreDeploymentState, DeploymentState>> = {
  UPDATING: DeploymentState.UPDATING,
  UPSCALING: DeploymentState.UPSCALING,
  DOWNSCALING: DeploymentState.DOWNSCALING,
  HEALTHY: DeploymentState.HEALTHY,
  UNHEALTHY: DeploymentState.UNHEALTHY,
  DEPLOY_FAILED: DeploymentState.DEPLOY_FAILED,
  DELETING: DeploymentState.DELETING,
};

export function specToMessage(spec: DeploymentSpec): MessageInitShape<typeof DeploymentSpecSchema> {
  const { program } = spec;
  return {
    name: spec.name,
    application: spec.application ?? "",
    version: spec.version,
    program: {
      kind:
        program.kind === "module"
          ? { case: "module", value: { path: program.path, exportName: program.exportName } }
          : { case: "command", value: { argv: [...program.argv] } },
    },
    initArgs: spec.initArgs as Record<string, JsonValue>,
    runtimeEnv: {
      workingDir: spec.runtimeEnv.workingDir,
      envVars: { ...spec.runtimeEnv.envVars },
      npm: [...spec.runtimeEnv.npm],
      pip: [...spec.runtimeEnv.pip],
      bundle: spec.runtimeEnv.bundle ?? "",
      lockfile: spec.runtimeEnv.lockfile ?? "",
      image: spec.runtimeEnv.image ?? "",
    },
    ...(spec.autoscalingConfig === undefined
      ? { numReplicas: spec.numReplicas }
      : { autoscalingConfig: autoscalingToMessage(spec.autoscalingConfig) }),
    resources: resourcesToMessage(spec.resources),
    maxOngoingRequests: spec.maxOngoingRequests,
    ...(spec.maxQueuedRequests === undefined ? {} : { maxQueuedRequests: spec.maxQueuedRequests }),
    ...(spec.maxMessageBytes === undefined ? {} : { maxMessageBytes: BigInt(spec.maxMessageBytes) }),
    ...(spec.userConfig === undefined ? {} : { userConfig: jsonToValue(spec.userConfig) }),
    healthCheck: {
      period: durationFromMs(spec.healthCheck.periodMs),
      timeout: durationFromMs(spec.healthCheck.timeoutMs),
      failureThreshold: spec.healthCheck.failureThreshold,
    },
    gracefulShutdownTimeout: durationFromMs(spec.gracefulShutdownTimeoutMs),
    startupTimeout: durationFromMs(spec.startupTimeoutMs),
    requestTimeout: durationFromMs(spec.requestTimeoutMs),
    labels: { ...spec.labels },
    rollout: {
      maxUnavailablePercent: spec.rollout.maxUnavailablePercent,
      maxSurgePercent: spec.rollout.maxSurgePercent,
      strategy: RolloutStrategy[spec.rollout.strategy],
      minReadyTime: durationFromMs(spec.rollout.minReadyTimeMs),
      progressDeadline: durationFromMs(spec.rollout.progressDeadlineMs),
      maxStartFailures: spec.rollout.maxStartFailures,
      autoRollback: spec.rollout.autoRollback,
    },
  };
}

export function resourcesToMessage(resources: Resources): MessageInitShape<typeof ResourcesSchema> & Partial<ResourcesMessage> {
  return {
    numCpus: resources.cpuMilli / 1_000,
    numGpus: resources.gpuMilli / 1_000,
    memoryBytes: BigInt(resources.memoryBytes),
    custom: Object.fromEntries(Object.entries(resources.custom ?? {}).map(([name, amount]) => [name, amount / 1_000])),
  };
}

const replicaStates: Readonly<Record<CoreReplicaState, ReplicaState>> = {
  PENDING: ReplicaState.PENDING,
  STARTING: ReplicaState.STARTING,
  RUNNING: ReplicaState.RUNNING,
  DRAINING: ReplicaState.DRAINING,
  STOPPED: ReplicaState.STOPPED,
  FAILED: ReplicaState.FAILED,
};

/** A replica as clients see it. */
export function replicaToMessage(record: ReplicaRecord, observed: Observed): Replica {
  const load = observed.replica(record.id);
  return create(ReplicaSchema, {
    replicaId: record.id,
    deployment: record.deployment,
    revision: BigInt(record.revision),
    state: replicaStates[record.state],
    message: replicaInWords(record, load?.silent),
    configGeneration: BigInt(load?.configGeneration ?? 0),
    address: record.address ?? "",
    node: record.node ?? "",
    pid: BigInt(observed.pid(record.id) ?? 0),
    resources: resourcesToMessage(record.resources),
    gpuIndexes: [...record.gpuIndexes],
    ongoingRequests: BigInt(load?.ongoing ?? 0),
    completedTotal: BigInt(load?.completed ?? 0),
    failedTotal: BigInt(load?.failed ?? 0),
    models: [...(load?.models ?? [])],
    maxModels: load?.maxModels ?? 0,
    batches: (load?.batches ?? []).map(({ method, batches, items, waitSeconds }) => ({
      ...{ method, batchesTotal: BigInt(batches), itemsTotal: BigInt(items), waitSecondsTotal: waitSeconds },
    })),
    createTime: timestampFromMs(record.createdAtMs),
    ...(record.readyAtMs === undefined ? {} : { readyTime: timestampFromMs(record.readyAtMs) }),
    ...replicaFactsToMessage(record),
  });
}
