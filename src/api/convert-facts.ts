// Facts of core as messages. What is undefined in core is unset on the wire.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ReplicaSchema } from "../../gen/drover/v1/deployment_pb.ts";
import {
  ConditionReason,
  type ConditionSchema,
  ConditionType,
  DepartureKind,
  type DepartureSchema,
  PendingKind,
  type PendingReasonSchema,
  ResourceKind,
  RolloutFailureKind,
  type RolloutFailureSchema,
  type ShortageSchema,
  type StartFailureSchema,
  StoreTroubleKind as StoreTroubleKindOnWire,
  type StoreTroubleSchema,
} from "../../gen/drover/v1/facts_pb.ts";
import type { Departure } from "../core/departure.ts";
import { preparingOf } from "../core/ending.ts";
import type { ReplicaRecord } from "../core/replica.ts";
import type { Condition } from "../core/rollout/conditions.ts";
import type { RolloutFailure, StartFailure } from "../core/rollout-failure.ts";
import type { StoreTrouble, StoreTroubleKind } from "../core/store-trouble.ts";
import type { Shortage, Wait, WaitingReplica } from "../core/wait.ts";
import { conditionInWords } from "../core/words/status-words.ts";
import { storeTroubleInWords } from "../core/words/store-trouble-words.ts";
import { configProblemToMessage, endingToMessage, healthProblemToMessage, replicaFailureToMessage } from "./convert-endings.ts";

/** A condition of the deployment `name`. */
export function conditionToMessage(condition: Condition, name: string): MessageInitShape<typeof ConditionSchema> {
  const { type, reason, sinceMs } = condition;
  return {
    type: ConditionType[type],
    reason: ConditionReason[reason === "BLOCKED" ? "BLOCKED_NO_CAPACITY" : reason],
    message: conditionInWords(condition, name),
    ...(sinceMs === undefined ? {} : { since: timestampFromMs(sinceMs) }),
    ...valuesOf(condition),
  };
}

function valuesOf(condition: Condition): MessageInitShape<typeof ConditionSchema> {
  switch (condition.type) {
    case "DELETING":
      return { replicasLeft: condition.replicasLeft };
    case "CONFIG_CHANGING":
    case "ROLLOUT_PAUSED":
      return {};
    case "NO_CAPACITY":
    case "STARTING": {
      const { replicaId, more, wait } = condition;
      return { replicaId, moreReplicas: more, ...(wait && { pendingReason: waitToMessage(wait) }) };
    }
    case "REPLICAS_UNSEEN":
      return { replicaId: condition.replicaId, moreReplicas: condition.more, node: condition.node };
    case "WAITING_FOR_PACKAGES": {
      const { revision, replicaId = "", more = 0 } = condition;
      const pendingReason = waitToMessage({ kind: "packages", ...preparingOf(condition) });
      return { revision: BigInt(revision), replicaId, moreReplicas: more, pendingReason };
    }
    case "STARTS_FAILING": {
      const { failedStarts, retryAtMs, last } = condition;
      const retry = retryAtMs === undefined ? {} : { retryTime: timestampFromMs(retryAtMs) };
      return { failedStarts, lastFailure: startFailureToMessage(last), ...retry };
    }
    case "ROLLOUT_FAILED":
      return { revision: BigInt(condition.revision), rolloutFailure: rolloutFailureToMessage(condition.failure) };
    case "ROLLED_BACK": {
      const { revision, to, failure } = condition;
      return { revision: BigInt(revision), toRevision: BigInt(to), rolloutFailure: rolloutFailureToMessage(failure) };
    }
  }
}

/** Why a replica does not serve yet. */
export function waitToMessage(wait: Wait): MessageInitShape<typeof PendingReasonSchema> {
  switch (wait.kind) {
    case "resources":
      return { kind: PendingKind.RESOURCES, shortages: wait.short.map(shortageToMessage) };
    case "neverFits":
      return { kind: PendingKind.NEVER_FITS, shortages: wait.short.map(shortageToMessage) };
    case "turn":
      return { kind: PendingKind.TURN, keptForReplicaId: wait.keptFor };
    case "engine":
      return { kind: PendingKind.ENGINE, engineReason: wait.reason };
    case "packages":
      return { kind: PendingKind.PACKAGES, packages: wait.packages ?? 0, lockfile: wait.lockfile };
    case "notServing":
      return { kind: PendingKind.NOT_SERVING, healthProblem: healthProblemToMessage(wait.problem) };
  }
}

const resourceKinds: Readonly<Record<Shortage["resource"], ResourceKind>> = {
  cpu: ResourceKind.CPU,
  gpu: ResourceKind.GPU,
  memory: ResourceKind.MEMORY,
  custom: ResourceKind.CUSTOM,
};

/** In the units of `Resources`: only memory is not kept in thousandths. */
function shortageToMessage({ resource, name = "", wanted, free, total }: Shortage): MessageInitShape<typeof ShortageSchema> {
  const unit = resource === "memory" ? 1 : 1_000;
  return { resource: resourceKinds[resource], name, wanted: wanted / unit, free: free / unit, total: total / unit };
}

const startFailureToMessage = (failure: StartFailure): MessageInitShape<typeof StartFailureSchema> => ({
  replicaId: failure.replicaId ?? "",
  revision: BigInt(failure.revision),
  failure: replicaFailureToMessage(failure),
});

function rolloutFailureToMessage(failure: RolloutFailure): MessageInitShape<typeof RolloutFailureSchema> {
  switch (failure.kind) {
    case "failedStarts":
      return { kind: RolloutFailureKind.FAILED_STARTS, failedStarts: failure.count, ...lastOf(failure) };
    case "progressDeadline": {
      const { deadlineMs, waiting } = failure;
      const kind = RolloutFailureKind.PROGRESS_DEADLINE;
      return { kind, progressDeadline: durationFromMs(deadlineMs), ...lastOf(failure), ...(waiting && waitingOf(waiting)) };
    }
    case "earlier":
      return { kind: RolloutFailureKind.EARLIER_VERSION, text: failure.text };
  }
}

const lastOf = ({ last }: { readonly last?: StartFailure | undefined }) =>
  last === undefined ? {} : { lastFailure: startFailureToMessage(last) };

const waitingOf = ({ replicaId, wait }: WaitingReplica) => ({ waitingReplicaId: replicaId, pendingReason: waitToMessage(wait) });

/** Why a replica is taken away. */
export function departureToMessage(departure: Departure): MessageInitShape<typeof DepartureSchema> {
  switch (departure.kind) {
    case "scaledDown":
      return { kind: DepartureKind.SCALED_DOWN };
    case "replaced":
      return { kind: DepartureKind.REPLACED, byRevision: BigInt(departure.by) };
    case "replacedFirst":
      return { kind: DepartureKind.REPLACED_FIRST, byRevision: BigInt(departure.by) };
    case "deleted":
      return { kind: DepartureKind.DELETED };
    case "failing":
      return { kind: DepartureKind.FAILING };
    case "unknownConfig": {
      const { problem } = departure;
      return { kind: DepartureKind.UNKNOWN_CONFIG, ...(problem && { configProblem: configProblemToMessage(problem) }) };
    }
    case "neverStarted":
      return { kind: DepartureKind.NEVER_STARTED };
    case "earlier":
      return { kind: DepartureKind.EARLIER_VERSION, text: departure.text };
  }
}

/** Why a replica waits, goes or failed, and how it ended. */
export function replicaFactsToMessage(record: ReplicaRecord) {
  const { waits, departure, failure, killedAfterMs } = record;
  const ending = record.ending ?? (failure?.cause.kind === "ended" ? failure.cause.ending : undefined);
  return {
    ...(waits && { pendingReason: waitToMessage(waits) }),
    ...(departure && { departure: departureToMessage(departure) }),
    ...(failure && { failure: replicaFailureToMessage(failure) }),
    ...(ending && { ending: endingToMessage(ending) }),
    ...(killedAfterMs === undefined ? {} : { killedAfter: durationFromMs(killedAfterMs) }),
  } satisfies MessageInitShape<typeof ReplicaSchema>;
}

const storeTroubleKinds: Readonly<Record<StoreTroubleKind, StoreTroubleKindOnWire>> = {
  away: StoreTroubleKindOnWire.AWAY,
  empty: StoreTroubleKindOnWire.EMPTY,
  passwordMissing: StoreTroubleKindOnWire.PASSWORD_MISSING,
  passwordWrong: StoreTroubleKindOnWire.PASSWORD_WRONG,
  notPermitted: StoreTroubleKindOnWire.NOT_PERMITTED,
  diskFailing: StoreTroubleKindOnWire.DISK_FAILING,
  memoryFull: StoreTroubleKindOnWire.MEMORY_FULL,
  readOnly: StoreTroubleKindOnWire.READ_ONLY,
  loading: StoreTroubleKindOnWire.LOADING,
  refusing: StoreTroubleKindOnWire.REFUSING,
};

/** Why the store cannot be used. */
export function storeTroubleToMessage(trouble: StoreTrouble): MessageInitShape<typeof StoreTroubleSchema> {
  return { kind: storeTroubleKinds[trouble.kind], message: storeTroubleInWords(trouble) };
}
