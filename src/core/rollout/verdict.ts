import type { ActingTime } from "../acting-time.ts";
import type { DecisionRule, FailureRule, Hold, StepRule, Verdict } from "../decision.ts";
import type { DeploymentRecord, ProgressRecord } from "../deployment.ts";
import type { RolloutFailure } from "../rollout-failure.ts";
import { plural } from "../words/phrases.ts";
import { holdInWords, rolloutFailureInWords } from "../words/rollout-words.ts";
import { waitInWords } from "../words/wait-words.ts";
import { isBlockedByCapacity } from "./conditions.ts";
import { retryWaitMs } from "./progress.ts";
import type { Step } from "./step.ts";

/** A rule that may have limited a step. */
interface AppliedRule extends DecisionRule {
  readonly name: StepRule;
  readonly binds: boolean;
}

/**
 * The step as a decision: what it does, or what it waits for. Undefined: nothing was decided;
 * starting replicas are awaited.
 */
export function verdictOf(step: Step, deployment: DeploymentRecord, progress: ProgressRecord, time: ActingTime): Verdict | undefined {
  const { target, live, current, old, available } = step.situation;
  const rules = rulesOf(step, deployment, progress, time);
  const bound = rules.find(({ binds }) => binds);
  const done = deeds(step, deployment);
  const hold = done === undefined ? holdOf(step, deployment, progress, bound?.name) : undefined;
  const summary = done ?? (hold && holdInWords(hold));
  if (summary === undefined) return undefined;
  const inState = (wanted: string) => live.filter(({ replica }) => replica.state === wanted).length;
  return {
    source: "ROLLOUT",
    summary,
    bound: bound?.name,
    ...(hold && { hold }),
    inputs: {
      target,
      available: available.length,
      new: current.filter(({ replica }) => replica.state === "RUNNING").length,
      old: old.filter(({ replica }) => replica.state === "RUNNING").length,
      starting: inState("STARTING"),
      pending: inState("PENDING"),
    },
    rules: rules.map(({ name, value, meaning }) => ({ name, value, meaning })),
  };
}

/** The decision that the wanted revision is fully running. */
export function fullVerdict(deployment: DeploymentRecord, target: number): Verdict {
  const summary = `revision ${deployment.revision} runs in full: ${plural(target, "replica")}`;
  return { source: "ROLLOUT", summary, bound: undefined, inputs: { target, available: target, new: target }, rules: [] };
}

/** The decision that a rollout has failed. `to`: the revision it goes back to, if any. */
export function failureVerdict(
  deployment: DeploymentRecord,
  progress: ProgressRecord,
  cause: RolloutFailure,
  to: number | undefined,
): Verdict {
  const { maxStartFailures, progressDeadlineMs, autoRollback } = deployment.spec.rollout;
  const rolledBack = deployment.rolledBackAtMs !== undefined;
  const stays: FailureRule = rolledBack ? "rollback_of_rollback" : "no_healthy_revision";
  const why = rolledBack ? "a rollback is never rolled back" : "no other revision that was ever healthy is kept";
  const [firstLine = ""] = rolloutFailureInWords(cause).split("\n");
  return {
    source: "ROLLOUT",
    summary: `revision ${deployment.revision} has failed (${firstLine}): ${to === undefined ? "keeps trying" : `goes back to revision ${to}`}`,
    bound: to === undefined && autoRollback ? stays : undefined,
    inputs: { failed_starts: progress.failedStarts },
    rules: [
      { name: "max_start_failures", value: maxStartFailures, meaning: `failed starts in a row with no available replica fail the rollout` },
      {
        name: "progress_deadline",
        value: progressDeadlineMs / 1_000,
        meaning: "seconds without another available replica fail the rollout",
      },
      ...(to === undefined && autoRollback ? [{ name: stays, value: 0, meaning: why }] : []),
    ],
  };
}

function deeds({ create, revision, removed, situation }: Step, deployment: DeploymentRecord): string | undefined {
  const parts: string[] = [];
  if (create > 0) parts.push(`starts ${plural(create, "replica")} of revision ${revision}`);
  const gone = situation.live.filter(({ replica }) => removed.has(replica.id));
  const old = gone.filter(({ replica }) => replica.revision !== deployment.revision && situation.target > 0);
  const other = gone.length - old.length;
  const first = old.some(({ replica }) => removed.get(replica.id)?.kind === "replacedFirst");
  if (old.length > 0)
    parts.push(`removes ${old.length} of another revision${first ? " first, because a new one can start only in its place" : ""}`);
  if (other > 0) parts.push(`removes ${other}`);
  return parts.length === 0 ? undefined : parts.join(", ");
}

/** Why a step does nothing, if that is worth a decision. */
function holdOf(
  { situation, missing }: Step,
  deployment: DeploymentRecord,
  { failedStarts }: ProgressRecord,
  bound: StepRule | undefined,
): Hold | undefined {
  const { current, live, old, waiting, moving } = situation;
  const { revision } = deployment;
  switch (bound) {
    case "paused":
      return old.length > 0 || missing > 0 ? { kind: bound, revision, replicas: current.length } : undefined;
    case "backoff":
      return { kind: bound, failedStarts };
    case "packages":
      return { kind: bound, revision };
    case "capacity":
      if (moving || waiting === undefined) return undefined;
      return isBlockedByCapacity(
        deployment,
        live.map(({ replica }) => replica),
      )
        ? { kind: "blocked" }
        : { kind: "room", replicaId: waiting.replica.id };
    case "one_at_a_time":
    case "unproven":
    case "max_surge":
    case "max_unavailable":
    case "min_ready_time":
    case undefined:
      return undefined;
    default:
      // Fails to compile where a rule has no case above.
      return bound satisfies never;
  }
}

/** Every rule that applied, in order of precedence: the first that binds limits the step. */
function rulesOf(step: Step, deployment: DeploymentRecord, progress: ProgressRecord, time: ActingTime): readonly AppliedRule[] {
  const { situation, create, missing, floor, most } = step;
  const { target, policy, old, waiting, live } = situation;
  const oldLeft = old.some(({ replica }) => replica.state === "RUNNING" && !step.removed.has(replica.id));
  const wantsMore = create < missing;
  const paused = deployment.pausedSinceMs !== undefined;
  const waitMs = retryWaitMs(progress, time);
  const rules: AppliedRule[] = [];
  const rule = (name: StepRule, value: number, meaning: string, binds: boolean) => rules.push({ name, value, meaning, binds });
  if (paused) rule("paused", 1, "the rollout is paused: no replica is replaced", oldLeft || old.length > 0);
  if (waitMs > 0) {
    const seconds = Math.ceil(waitMs / 1_000);
    rule("backoff", seconds, `${seconds} s until a replica is started again`, wantsMore);
  } else if (progress.failedStarts > 0) rule("one_at_a_time", 1, "while starts fail, one replica is tried at a time", wantsMore);
  if (situation.unready) rule("packages", 1, "max_surge is 0: files and packages are there before an old replica is removed", oldLeft);
  if (waiting?.replica.waits !== undefined) rule("capacity", 0, `${waiting.replica.id} ${waitInWords(waiting.replica.waits)}`, true);
  if (!progress.everRan && old.length > 0)
    rule(
      "unproven",
      target,
      `no replica is removed until one of revision ${deployment.revision} was available`,
      oldLeft && floor === target,
    );
  rule(
    "max_surge",
    most,
    `at most ${most} run or start (${target} and ${policy.maxSurgePercent} %)`,
    wantsMore && live.length + create >= most,
  );
  rule("max_unavailable", floor, `at least ${floor} stay available`, oldLeft);
  if (policy.minReadyTimeMs > 0)
    rule("min_ready_time", policy.minReadyTimeMs / 1_000, "seconds that a new replica must have been running", false);
  return rules;
}
