import type { DecisionRule, Verdict } from "../decision.ts";
import type { DeploymentRecord, ProgressRecord } from "../deployment.ts";
import type { RolloutFailure } from "../rollout-failure.ts";
import { plural, rolloutFailureInWords, waitInWords } from "../words.ts";
import { isBlockedByCapacity } from "./conditions.ts";
import type { Step } from "./step.ts";

/** A rule that may have limited a step. */
interface Held extends DecisionRule {
  readonly binds: boolean;
}

/**
 * The step as a decision: what it does, or what it waits for. Undefined: nothing was decided;
 * starting replicas are awaited.
 */
export function verdictOf(step: Step, deployment: DeploymentRecord, progress: ProgressRecord, nowMs: number): Verdict | undefined {
  const { target, live, current, old, available } = step.situation;
  const rules = rulesOf(step, deployment, progress, nowMs);
  const bound = rules.find(({ binds }) => binds);
  const summary = deeds(step, deployment) ?? waits(step, deployment, progress, bound?.name);
  if (summary === undefined) return undefined;
  const inState = (wanted: string) => live.filter(({ replica }) => replica.state === wanted).length;
  return {
    source: "ROLLOUT",
    summary,
    bound: bound?.name,
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
  const stays = { name: rolledBack ? "rollback_of_rollback" : "no_healthy_revision", value: 0 };
  const why = rolledBack ? "a rollback is never rolled back" : "no other revision that was ever healthy is kept";
  const [firstLine = ""] = rolloutFailureInWords(cause).split("\n");
  return {
    source: "ROLLOUT",
    summary: `revision ${deployment.revision} has failed (${firstLine}): ${to === undefined ? "keeps trying" : `goes back to revision ${to}`}`,
    bound: to === undefined && autoRollback ? stays.name : undefined,
    inputs: { failed_starts: progress.failedStarts },
    rules: [
      { name: "max_start_failures", value: maxStartFailures, meaning: `failed starts in a row with no available replica fail the rollout` },
      {
        name: "progress_deadline",
        value: progressDeadlineMs / 1_000,
        meaning: "seconds without another available replica fail the rollout",
      },
      ...(to === undefined && autoRollback ? [{ ...stays, meaning: why }] : []),
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
function waits(
  { situation, missing }: Step,
  deployment: DeploymentRecord,
  progress: ProgressRecord,
  bound: string | undefined,
): string | undefined {
  const { waiting, old } = situation;
  switch (bound) {
    case "paused":
      return old.length > 0 || missing > 0
        ? `is paused at ${plural(situation.current.length, "replica")} of revision ${deployment.revision}`
        : undefined;
    case "backoff":
      return `waits before the next try: ${plural(progress.failedStarts, "failed start")} in a row`;
    case "packages":
      return `waits for the packages of revision ${deployment.revision} before an old replica is removed`;
    case "capacity":
      if (situation.moving) return undefined;
      // Without the numbers, which other deployments change. The rule has them.
      return isBlockedByCapacity(
        deployment,
        situation.live.map(({ replica }) => replica),
      )
        ? "waits for room, because no replica may be missing"
        : `waits for room for ${waiting?.replica.id}`;
    default:
      return undefined;
  }
}

/** Every rule that applied, in order of precedence: the first that binds limits the step. */
function rulesOf(step: Step, deployment: DeploymentRecord, progress: ProgressRecord, nowMs: number): readonly Held[] {
  const { situation, create, missing, floor, most } = step;
  const { target, policy, old, waiting, live } = situation;
  const oldLeft = old.some(({ replica }) => replica.state === "RUNNING" && !step.removed.has(replica.id));
  const wantsMore = create < missing;
  const paused = deployment.pausedSinceMs !== undefined;
  const { retryAtMs = 0 } = progress;
  const backingOff = nowMs < retryAtMs;
  const rules: Held[] = [];
  const rule = (name: string, value: number, meaning: string, binds: boolean) => rules.push({ name, value, meaning, binds });
  if (paused) rule("paused", 1, "the rollout is paused: no replica is replaced", oldLeft || old.length > 0);
  if (backingOff) {
    const seconds = Math.ceil((retryAtMs - nowMs) / 1_000);
    rule("backoff", seconds, `${seconds} s until a replica is started again`, wantsMore);
  } else if (progress.failedStarts > 0) rule("one_at_a_time", 1, "while starts fail, one replica is tried at a time", wantsMore);
  if (situation.unready) rule("packages", 1, "max_surge is 0: the packages are installed before an old replica is removed", oldLeft);
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
