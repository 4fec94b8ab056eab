import type { ConfigCallProblem, ConfigProblem, Ending, FailureCause, HealthProblem, ReplicaFailure } from "../ending.ts";
import { endingInWords } from "./ending-words.ts";
import { inBrackets, plural, seconds } from "./phrases.ts";

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
