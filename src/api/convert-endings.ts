// How replicas ended, why they failed, and why they did not take a config, as messages.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import {
  ConfigCallProblemKind,
  type ConfigCallProblemSchema,
  ConfigProblemKind,
  type ConfigProblemSchema,
  EndingKind,
  type EndingSchema,
  HealthProblemKind,
  type HealthProblemSchema,
  InstallProblemKind,
  type InstallProblemSchema,
  ReplicaFailureKind,
  type ReplicaFailureSchema,
} from "../../gen/drover/v1/facts_pb.ts";
import type {
  ConfigCallProblem,
  ConfigProblem,
  Ending,
  FailureCause,
  HealthProblem,
  InstallProblem,
  ProcessEnd,
  ReplicaFailure,
} from "../core/ending.ts";
import { codeNumber } from "../rpc/status.ts";

/** How a replica's process ended. */
export function endingToMessage(ending: Ending): MessageInitShape<typeof EndingSchema> {
  switch (ending.kind) {
    case "exit":
      return { kind: EndingKind.EXIT, ...processEnd(ending) };
    case "signal":
      return { kind: EndingKind.SIGNAL, ...processEnd(ending) };
    case "failedToStart":
      return { kind: EndingKind.FAILED_TO_START, cause: ending.why };
    case "packagesFailed": {
      const { problem, freeBytes } = ending;
      const free = freeBytes === undefined ? {} : { freeBytes: BigInt(freeBytes) };
      return { kind: EndingKind.PACKAGES_FAILED, installProblem: installProblemToMessage(problem), ...free };
    }
    case "overMemory": {
      const used = ending.usedBytes === undefined ? {} : { usedBytes: BigInt(ending.usedBytes) };
      return { kind: EndingKind.OVER_MEMORY, ...used, ...bound(ending) };
    }
    case "machineOutOfMemory":
      return { kind: EndingKind.MACHINE_OUT_OF_MEMORY };
    case "heapFull":
      return { kind: EndingKind.HEAP_FULL, ...bound(ending) };
    case "neverStarted":
      return { kind: EndingKind.NEVER_STARTED };
    case "stoppedBeforeStart":
      return { kind: EndingKind.STOPPED_BEFORE_START };
    case "unknown":
      return { kind: EndingKind.UNKNOWN };
  }
}

const processEnd = (end: ProcessEnd) => (end.kind === "exit" ? { exitCode: end.code } : { signal: end.signal });

const bound = ({ boundBytes }: { readonly boundBytes?: number }) => (boundBytes === undefined ? {} : { boundBytes: BigInt(boundBytes) });

function installProblemToMessage(problem: InstallProblem): MessageInitShape<typeof InstallProblemSchema> {
  switch (problem.kind) {
    case "toolEnded":
      return { kind: InstallProblemKind.TOOL_ENDED, tool: problem.tool, ...processEnd(problem.end) };
    case "toolNotFound":
      return { kind: InstallProblemKind.TOOL_NOT_FOUND, tool: problem.program };
    case "toolNotRun":
      return { kind: InstallProblemKind.TOOL_NOT_RUN, tool: problem.tool, cause: problem.why };
    case "late":
      return { kind: InstallProblemKind.LATE, tool: problem.tool, within: durationFromMs(problem.withinMs) };
    case "noPython":
      return { kind: InstallProblemKind.NO_PYTHON };
    case "unwanted":
      return { kind: InstallProblemKind.UNWANTED };
    case "system":
      return { kind: InstallProblemKind.SYSTEM, cause: problem.why };
  }
}

/** Why a replica does not serve. */
export function healthProblemToMessage(problem: HealthProblem): MessageInitShape<typeof HealthProblemSchema> {
  switch (problem.kind) {
    case "nothingListens":
      return { kind: HealthProblemKind.NOTHING_LISTENS };
    case "notServing":
      return { kind: HealthProblemKind.NOT_SERVING };
    case "noHealthService":
      return { kind: HealthProblemKind.NO_HEALTH_SERVICE };
    case "callFailed":
      return { kind: HealthProblemKind.CALL_FAILED, ...statusValues(problem) };
  }
}

const statusValues = ({ code, message }: Pick<Extract<HealthProblem, { kind: "callFailed" }>, "code" | "message">) => ({
  code: code === undefined ? 0 : codeNumber[code],
  message,
});

/** Why a replica failed. */
export function replicaFailureToMessage({ cause, lines }: ReplicaFailure): MessageInitShape<typeof ReplicaFailureSchema> {
  return { ...causeToMessage(cause), lastLines: [...lines] };
}

function causeToMessage(cause: FailureCause): MessageInitShape<typeof ReplicaFailureSchema> {
  switch (cause.kind) {
    case "ended":
      return { kind: ReplicaFailureKind.ENDED, ending: endingToMessage(cause.ending), served: cause.served };
    case "startupTimeout":
      return { kind: ReplicaFailureKind.STARTUP_TIMEOUT, startupTimeout: durationFromMs(cause.timeoutMs), ...healthProblemOf(cause) };
    case "configRefused":
      return { kind: ReplicaFailureKind.CONFIG_REFUSED, configProblem: configProblemToMessage(cause.problem) };
    case "anotherReplica":
      return { kind: ReplicaFailureKind.ANOTHER_REPLICA, otherReplicaId: cause.replicaId };
    case "unhealthy":
      return { kind: ReplicaFailureKind.UNHEALTHY, failedChecks: cause.failedChecks, ...healthProblemOf(cause) };
    case "silent":
      return { kind: ReplicaFailureKind.SILENT, ...healthProblemOf(cause) };
    case "earlier":
      return { kind: ReplicaFailureKind.EARLIER_VERSION, text: cause.text };
  }
}

const healthProblemOf = ({ problem }: { readonly problem?: HealthProblem }) =>
  problem === undefined ? {} : { healthProblem: healthProblemToMessage(problem) };

/** Why a replica did not take a config. */
export function configProblemToMessage(problem: ConfigProblem): MessageInitShape<typeof ConfigProblemSchema> {
  switch (problem.kind) {
    case "refused": {
      const violations = problem.violations.map(({ field, description }) => ({ field, description }));
      return { kind: ConfigProblemKind.REFUSED, message: problem.message, violations };
    }
    case "noService":
      return { kind: ConfigProblemKind.NO_SERVICE };
    case "late": {
      const { withinMs, last } = problem;
      return { kind: ConfigProblemKind.LATE, within: durationFromMs(withinMs), ...(last && { lastCall: callProblemToMessage(last) }) };
    }
    case "failed":
      return { kind: ConfigProblemKind.FAILED, failure: replicaFailureToMessage(problem.failure) };
  }
}

function callProblemToMessage(problem: ConfigCallProblem): MessageInitShape<typeof ConfigCallProblemSchema> {
  switch (problem.kind) {
    case "unreached":
      return { kind: ConfigCallProblemKind.UNREACHED };
    case "notLeading":
      return { kind: ConfigCallProblemKind.NOT_LEADING };
    case "callFailed":
      return { kind: ConfigCallProblemKind.CALL_FAILED, ...statusValues(problem) };
  }
}
