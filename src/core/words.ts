// The only place where facts become sentences. Used at the edges: API messages, log lines, texts of
// decisions. No code reads the sentences; code reads the facts.
import type { ConfigChangeRecord, ReplicaOutcome } from "./config-change.ts";
import { toReplace } from "./config-change.ts";
import type { Hold } from "./decision.ts";
import type { DeploymentRecord } from "./deployment.ts";
import type {
  ConfigCallProblem,
  ConfigProblem,
  Ending,
  FailureCause,
  HealthProblem,
  InstallProblem,
  Preparing,
  ReplicaFailure,
} from "./ending.ts";
import type { ReplicaRecord } from "./replica.ts";
import { formatBytes, formatMilli, gpusWanted, wholeGpuMilli } from "./resources.ts";
import type { Condition } from "./rollout/conditions.ts";
import type { DeploymentStatus } from "./rollout/status.ts";
import type { RolloutFailure, StartFailure } from "./rollout-failure.ts";
import type { NoReplicaExpected } from "./traffic/route.ts";
import type { Shortage, Wait } from "./wait.ts";

/** `1 replica`, `3 replicas`. */
export const plural = (count: number, noun: string): string => (count === 1 ? `1 ${noun}` : `${count} ${noun}s`);

const seconds = (ms: number): string => `${ms / 1_000} s`;

/** `3 requests of echo, up to 20 s`. */
export const requestsInWork = (work: { readonly deployment: string; readonly calls: number; readonly graceMs: number }): string =>
  `${plural(work.calls, "request")} of ${work.deployment}, up to ${seconds(work.graceMs)}`;
const inBrackets = (text: string | undefined): string => (text === undefined ? "" : ` (${text})`);
const bytes = (count: number | undefined, unknown: string): string => (count === undefined ? unknown : formatBytes(count));
const andMore = (more: number): string => (more > 0 ? ` and ${more} more` : "");

/** How a process ended. */
export function endingInWords(ending: Ending): string {
  switch (ending.kind) {
    case "exit":
      return `exit code ${ending.code}`;
    case "signal":
      return `signal ${ending.signal}`;
    case "failedToStart":
      return `could not be started: ${ending.why}`;
    case "packagesFailed": {
      const room = ending.freeBytes === undefined ? "" : `; only ${formatBytes(ending.freeBytes)} are free on the disk`;
      return `could not get its packages: ${installProblem(ending.problem)}${room}`;
    }
    case "overMemory": {
      const bound = bytes(ending.boundBytes, "not known");
      if (ending.usedBytes === undefined) return `needed more than its memory_bytes of ${bound}`;
      return `used ${formatBytes(ending.usedBytes)} of memory, and its memory_bytes is ${bound}`;
    }
    case "machineOutOfMemory":
      return "the memory of the machine, or of the whole service, was used up";
    case "heapFull":
      return `its heap is full: a module may use 3/4 of its memory_bytes of ${bytes(ending.boundBytes, "an unknown size")}`;
    case "neverStarted":
      return "the controller ended before it was started";
    case "stoppedBeforeStart":
      return "stopped before it was started";
    case "unknown":
      return "its process is gone";
  }
}

function installProblem(problem: InstallProblem): string {
  switch (problem.kind) {
    case "toolEnded":
      return `${problem.tool} ended with ${endingInWords(problem.end)}`;
    case "toolNotFound":
      return `${problem.program} was not found on the PATH`;
    case "toolNotRun":
      return `${problem.tool} could not be run: ${problem.why}`;
    case "late":
      return `${problem.tool} did not finish within ${seconds(problem.withinMs)}`;
    case "noPython":
      return "its pip packages need a working python3 on the PATH";
    case "unwanted":
      return "they are no longer needed";
    case "system":
      return problem.why;
  }
}

/** What is being prepared before a process can start. */
export const preparingInWords = ({ packages }: Preparing): string => `installing ${plural(packages, "package")}`;

/** Why a replica does not serve. */
export function healthProblemInWords(problem: HealthProblem): string {
  switch (problem.kind) {
    case "nothingListens":
      return "nothing listens at its DROVER_LISTEN yet";
    case "notServing":
      return "it answers that it is not serving";
    case "noHealthService":
      return "it does not serve grpc.health.v1.Health";
    case "callFailed":
      return callFailed(problem);
  }
}

const callFailed = ({ code, message }: { readonly code: string | undefined; readonly message: string }): string =>
  code === undefined ? message : `${code}: ${message}`;

const noService = "the program does not serve drover.replica.v1.ReplicaService; serve it, or leave user_config out";

/** Why a replica did not take the config of a change. */
export function configProblemInWords(problem: ConfigProblem): string {
  switch (problem.kind) {
    case "refused":
      return problem.message;
    case "noService":
      return noService;
    case "late":
      return `it did not answer within ${seconds(problem.withinMs)}${problem.last === undefined ? "" : `: ${configCall(problem.last)}`}`;
    case "failed":
      return `it failed while it was given the config: ${causeInWords(problem.failure.cause)}`;
  }
}

function configCall(problem: ConfigCallProblem): string {
  switch (problem.kind) {
    case "unreached":
      return "it could not be reached";
    case "notLeading":
      return "this controller does not lead";
    case "callFailed":
      return callFailed(problem);
  }
}

/** Why a replica failed. One line, except for what the program itself says. */
export function causeInWords(cause: FailureCause): string {
  switch (cause.kind) {
    case "ended":
      return cause.served ? endedInWords(cause.ending) : notStartedInWords(cause.ending);
    case "startupTimeout":
      return `did not serve within its startup_timeout of ${seconds(cause.timeoutMs)}${inBrackets(cause.problem && healthProblemInWords(cause.problem))}`;
    case "configRefused":
      return cause.problem.kind === "late"
        ? `did not take its user_config within ${seconds(cause.problem.withinMs)}`
        : `refused its user_config: ${configProblemInWords(cause.problem)}`;
    case "anotherReplica":
      return `another replica (${cause.replicaId}) answers at its address`;
    case "unhealthy":
      return `unhealthy: ${plural(cause.failedChecks, "health check")} in a row failed, the last with: ${healthProblemInWords(cause.problem)}`;
    case "silent":
      return `unhealthy: it does not answer this controller${inBrackets(cause.problem && healthProblemInWords(cause.problem))}`;
    case "earlier":
      return cause.text;
  }
}

/** How a RUNNING replica ended: by itself, or for a reason that needs no such note. */
function endedInWords(ending: Ending): string {
  const byItself = ending.kind === "exit" || ending.kind === "signal" || ending.kind === "unknown";
  return byItself ? `ended by itself (${endingInWords(ending)})` : `ended: ${endingInWords(ending)}`;
}

function notStartedInWords(ending: Ending): string {
  if (ending.kind === "failedToStart" || ending.kind === "packagesFailed") return endingInWords(ending);
  const looksWell = ending.kind === "exit" && ending.code === 0;
  const remedy = looksWell ? ": a program must stay in the foreground and serve at DROVER_LISTEN" : "";
  return `ended before it served (${endingInWords(ending)})${remedy}`;
}

/** Why a replica failed, followed by the last lines it printed. */
export const failureInWords = ({ cause, lines }: ReplicaFailure): string => [causeInWords(cause), ...lines].join("\n");

/** A failure, with the name of what failed. */
export function startFailureInWords(failure: StartFailure): string {
  return `${failure.replicaId ?? `revision ${failure.revision}`} ${failureInWords(failure)}`;
}

/** Why a rollout has failed. */
export function rolloutFailureInWords(failure: RolloutFailure): string {
  switch (failure.kind) {
    case "failedStarts": {
      const last = failure.last === undefined ? "" : `, the last: ${startFailureInWords(failure.last)}`;
      return `${plural(failure.count, "failed start")} in a row${last}`;
    }
    case "progressDeadline": {
      const { last, waiting, deadlineMs } = failure;
      const why = last
        ? `; the last failure: ${startFailureInWords(last)}`
        : waiting
          ? `; ${waiting.replicaId} ${waitInWords(waiting.wait)}`
          : "";
      return `no other replica became available within its progress_deadline of ${seconds(deadlineMs)}${why}`;
    }
    case "earlier":
      return failure.text;
  }
}

/** Why a replica does not serve yet. Together with its id it makes a sentence. */
export function waitInWords(wait: Wait): string {
  switch (wait.kind) {
    case "resources":
      return `waits for ${wait.short.map(shortageInWords).join("; ")}`;
    case "neverFits": {
      const each = wait.short.map(neverFits);
      return `${each.map(({ fact }) => fact).join("; ")}: it can never start here; ${each.map(({ remedy }) => remedy).join("; ")}`;
    }
    case "turn":
      return `waits its turn: free resources are kept for replica ${wait.keptFor}, which has waited longer for more`;
    case "engine":
      return `is not placed yet: ${wait.reason}`;
    case "packages":
      return preparingInWords(wait);
    case "notServing":
      return healthProblemInWords(wait.problem);
  }
}

function shortageInWords({ resource, name, wanted, free, total }: Shortage): string {
  switch (resource) {
    case "cpu":
      return `CPU: wants ${formatMilli(wanted)}, ${formatMilli(free)} of ${formatMilli(total)} free`;
    case "gpu":
      return wanted < wholeGpuMilli
        ? `GPU: wants ${formatMilli(wanted)} of one, at most ${formatMilli(free)} of one is free`
        : `GPU: wants ${gpusWanted({ gpuMilli: wanted })} whole, ${formatMilli(free)} of ${formatMilli(total)} free`;
    case "memory":
      return `memory: wants ${formatBytes(wanted)}, ${formatBytes(free)} of ${formatBytes(total)} free`;
    case "custom":
      return `${name}: wants ${formatMilli(wanted)}, ${formatMilli(free)} of ${formatMilli(total)} free`;
  }
}

function neverFits({ resource, name, wanted, total }: Shortage): { readonly fact: string; readonly remedy: string } {
  const has = "this machine has";
  switch (resource) {
    case "cpu":
      return { fact: `wants ${formatMilli(wanted)} CPUs, ${has} ${formatMilli(total)}`, remedy: "lower num_cpus or add CPUs (--num-cpus)" };
    case "gpu":
      return { fact: `wants ${formatMilli(wanted)} GPUs, ${has} ${formatMilli(total)}`, remedy: "lower num_gpus or add GPUs (--num-gpus)" };
    case "memory":
      return { fact: `wants ${formatBytes(wanted)} of memory, ${has} ${formatBytes(total)}`, remedy: "lower memory_bytes" };
    case "custom":
      return {
        fact: `wants ${formatMilli(wanted)} of "${name}", ${has} ${formatMilli(total)}`,
        remedy: `lower it or give it (drover start --resource ${name}=AMOUNT)`,
      };
  }
}

/** Why a replica is removed. */
function departureInWords({ departure, failure }: Pick<ReplicaRecord, "departure" | "failure">): string {
  switch (departure?.kind) {
    case "scaledDown":
      return "scaled down";
    case "replaced":
      return `replaced by revision ${departure.by}`;
    case "replacedFirst":
      return `replaced by revision ${departure.by}; removed first, because a new one can start only in its place`;
    case "deleted":
      return "its deployment is being deleted";
    case "failing":
      return failure === undefined ? "it does not work" : failureInWords(failure);
    case "unknownConfig":
      return `has no known config${departure.problem === undefined ? "" : `: ${configProblemInWords(departure.problem)}`}`;
    case "neverStarted":
      return endingInWords({ kind: "neverStarted" });
    case "earlier":
      return departure.text;
    case undefined:
      return "";
  }
}

/**
 * What a replica's record says about its state. Empty: nothing. `silent`: the replica has said
 * nothing for so long that it gets no requests.
 */
export function replicaInWords(replica: ReplicaRecord, silent = false): string {
  const { state, waits, departure, failure, killedAfterMs } = replica;
  if (state === "FAILED" && failure !== undefined) return failureInWords(failure);
  if (state === "RUNNING" && silent) return "it answers nothing, and gets no requests until it does";
  if (departure === undefined) return waits === undefined ? "" : waitInWords(waits);
  const killed = killedAfterMs === undefined ? "" : `; it was killed, because it did not end within ${seconds(killedAfterMs)} of SIGTERM`;
  return `${departureInWords(replica)}${killed}`;
}

/** How many replicas run, and how many of them are of the wanted revision. */
export function runningInWords({
  running,
  target,
  updated,
  revision,
}: Pick<DeploymentStatus, "running" | "target" | "updated"> & { readonly revision: number | bigint }): string {
  return `${running} of ${target} running${updated >= running ? "" : `, ${updated} of them of revision ${revision}`}`;
}

/**
 * What an operator should know about a deployment. Empty: nothing. What a program printed comes
 * last.
 */
export function statusInWords({ spec, revision }: DeploymentRecord, status: DeploymentStatus, conditions: readonly Condition[]): string {
  const deleting = conditions.find(({ type }) => type === "DELETING");
  if (deleting !== undefined) return conditionInWords(deleting, spec.name);
  if (status.state === "HEALTHY" && !conditions.some(({ type }) => type === "CONFIG_CHANGING")) return "";
  return [runningInWords({ ...status, revision }), ...conditions.map((condition) => conditionInWords(condition, spec.name))].join("; ");
}

/** One condition of the deployment `name`. */
export function conditionInWords(condition: Condition, name: string): string {
  switch (condition.type) {
    case "DELETING":
      return condition.replicasLeft === 1 ? "1 replica finishes its requests" : `${condition.replicasLeft} replicas finish their requests`;
    case "CONFIG_CHANGING":
      return "another config is being given to the replicas";
    case "ROLLOUT_PAUSED":
      return `the rollout is paused (\`drover resume ${name}\` lets it go on)`;
    case "NO_CAPACITY":
      return `${condition.replicaId} ${waitInWords(condition.wait)}${condition.more > 0 ? ` (and ${condition.more} more)` : ""}`;
    case "WAITING_FOR_PACKAGES":
      return condition.replicaId === undefined
        ? `${preparingInWords(condition)} for revision ${condition.revision}`
        : `starting ${condition.replicaId}${andMore(condition.more ?? 0)}: ${preparingInWords(condition)}`;
    case "STARTING": {
      const why = condition.wait === undefined ? "" : `: ${waitInWords(condition.wait)}`;
      return `starting ${condition.replicaId}${andMore(condition.more)}${why}`;
    }
    case "STARTS_FAILING": {
      const times = condition.failedStarts > 1 ? ` (${plural(condition.failedStarts, "failed start")} in a row)` : "";
      return `last failure${times}: ${startFailureInWords(condition.last)}`;
    }
    case "ROLLOUT_FAILED":
      return `the rollout of revision ${condition.revision} has failed: ${rolloutFailureInWords(condition.failure)}`;
    case "ROLLED_BACK":
      return `revision ${condition.revision} has failed and was rolled back to revision ${condition.to}: ${rolloutFailureInWords(condition.failure)}`;
  }
}

/** Why a rollout does nothing. */
export function holdInWords(hold: Hold): string {
  switch (hold.kind) {
    case "paused":
      return `is paused at ${plural(hold.replicas, "replica")} of revision ${hold.revision}`;
    case "backoff":
      return `waits before the next try: ${plural(hold.failedStarts, "failed start")} in a row`;
    case "packages":
      return `waits for the packages of revision ${hold.revision} before an old replica is removed`;
    case "room":
      return `waits for room for ${hold.replicaId}`;
    case "blocked":
      return "waits for room, because no replica may be missing";
  }
}

/** Why a deployment will not have a replica soon. */
export function noReplicaExpectedInWords(why: NoReplicaExpected): string {
  return why === "noneWanted" ? "none is wanted: its num_replicas is 0" : "its rollout has failed";
}

/** Why a replica did not take a config, and why it could not go back. Empty: no problem. */
export function outcomeInWords({ problem, revertProblem }: Pick<ReplicaOutcome, "problem" | "revertProblem">): string {
  const [first, then] = [problem, revertProblem].map((one) => (one === undefined ? undefined : configProblemInWords(one)));
  if (then === undefined) return first ?? "";
  return first === undefined || first === then ? then : `${first}; then: ${then}`;
}

/** The longest text of one replica in a refusal. */
const reasonCharsMax = 300;

/** Why a change of config was refused. Replicas with the same reason are listed together. */
export function refusalInWords({ replicas }: ConfigChangeRecord): string {
  const refused = replicas
    .map((one) => ({ ...one, text: outcomeInWords(one) }))
    .filter(({ outcome, text }) => outcome === "REFUSED" || text !== "");
  if (refused.length === 0) return "the deployment was changed or deleted in the meantime";
  const reasons = new Map<string, string[]>();
  for (const { replicaId, text } of refused) reasons.set(text, [...(reasons.get(text) ?? []), replicaId]);
  const each = [...reasons].map(([reason, ids]) => {
    const names = ids.length > 3 ? `${ids.slice(0, 3).join(", ")} and ${ids.length - 3} more` : ids.join(", ");
    return `${names}: ${reason.slice(0, reasonCharsMax)}`;
  });
  const many = replicas.length === 1 ? "the replica" : `${refused.length} of ${replicas.length} replicas`;
  const replaced = toReplace({ replicas, step: "REFUSED" }).length > 0 ? ", or are replaced" : "";
  return `${many} refused it, and all keep the previous config${replaced}: ${each.join("; ")}`;
}
