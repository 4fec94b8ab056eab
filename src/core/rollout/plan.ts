import type { Verdict } from "../decision.ts";
import type { Departure } from "../departure.ts";
import type { DeploymentRecord, ProgressRecord } from "../deployment.ts";
import { revisionBefore, rolledBack } from "../generations.ts";
import { sameJson } from "../json.ts";
import { ofLife } from "../lineage.ts";
import { advance, type ReplicaRecord } from "../replica.ts";
import type { RolloutFailure } from "../rollout-failure.ts";
import { rolloutFailure } from "./failure-rule.ts";
import { finish, surplusRecords } from "./finish.ts";
import { currentProgress, noteFailures, noteInstalling, noteRolloutFailure, noteSuccess } from "./progress.ts";
import { packagesFailure, settle } from "./settle.ts";
import type { Action, PlanInput } from "./sight.ts";
import { targetOf } from "./status.ts";
import { chooseStep, type Step, startRevision } from "./step.ts";
import { failureVerdict, fullVerdict, verdictOf } from "./verdict.ts";

/**
 * The actions for one deployment, from what is wanted and what is seen. If nothing new is seen
 * after a plan was applied, the next plan is empty.
 */
export function plan(input: PlanInput): readonly Action[] {
  const { deployment, nowMs, draw } = input;
  const settled = input.seen.map((seen) => settle(seen, deployment, input));
  const before = currentProgress(input.progress, deployment, nowMs);
  const starting = startRevision(deployment, before, (revision) => input.findRevision(revision) !== undefined);
  const { maxStartFailures } = deployment.spec.rollout;
  const { packages } = input;
  const failures = [
    ...settled.flatMap(({ failure }) => failure ?? []),
    ...(packages?.kind === "failed" ? [packagesFailure(deployment.revision, packages, nowMs)] : []),
  ];
  const failing = noteFailures(before, failures, { starting, maxStartFailures, nowMs, draw });
  const cause = rolloutFailure(
    failing,
    deployment,
    settled.map(({ replica }) => replica),
    input,
  );
  const back = cause === undefined ? undefined : goBack(input, failing, cause);
  const step = back === undefined ? chooseStep(input, failing, settled, starting) : undefined;
  const replicas = settled.map(({ replica }) => takeAway(replica, step?.removed.get(replica.id), nowMs));
  const after = noteInstalling(
    back === undefined
      ? noteSuccess(noteRolloutFailure(failing, cause, nowMs), deployment, replicas, { starting, time: input })
      : left(failing),
    packages,
    nowMs,
  );
  const verdict = back?.verdict ?? decided(input, { before, failing, after }, step);
  const moved = replicas.filter((replica, index) => replica !== input.seen[index]?.replica);
  // All moves are written in one commit, but logged one by one: first what begins to serve, then
  // what leaves.
  const [coming, going] = [moved.filter(({ state }) => state === "RUNNING"), moved.filter(({ state }) => state !== "RUNNING")];
  return [
    ...(back === undefined ? [] : [{ kind: "rollback", deployment: back.deployment } as const]),
    ...[...coming, ...going].map((replica): Action => ({ kind: "move", replica })),
    ...Array.from({ length: step?.create ?? 0 }, (): Action => ({ kind: "create", revision: starting })),
    ...input.seen.flatMap((seen) => finish(seen, deployment, input)),
    ...surplusRecords(input.seen, input),
    ...(sameJson(input.progress, after) ? [] : [{ kind: "progress", progress: after } as const]),
    ...(verdict === undefined ? [] : [{ kind: "decide", verdict } as const]),
    ...(deployment.deletingSinceMs !== undefined && replicas.length === 0 ? [{ kind: "erase" } as const] : []),
  ];
}

/**
 * The progress of a revision that is rolled back. Even if it was healthy for a moment, it is no
 * longer a revision to go back to.
 */
function left(progress: ProgressRecord): ProgressRecord {
  return { ...progress, healthyRevisions: progress.healthyRevisions.filter((revision) => revision !== progress.revision) };
}

/**
 * The rollback of a failed rollout to the last healthy revision. Undefined: not allowed, or there
 * is no such revision.
 */
function goBack(
  { deployment, findRevision, nowMs }: PlanInput,
  progress: ProgressRecord,
  cause: RolloutFailure,
): { readonly deployment: DeploymentRecord; readonly verdict: Verdict } | undefined {
  // A rollback is never rolled back.
  if (!deployment.spec.rollout.autoRollback || deployment.rolledBackAtMs !== undefined) return undefined;
  // A change of config ends soon; the rollback waits for it.
  if (deployment.changing !== undefined) return undefined;
  const revision = revisionBefore(deployment, progress.healthyRevisions, { has: (kept) => findRevision(kept) !== undefined });
  const to = revision === undefined ? undefined : findRevision(revision);
  if (to === undefined) return undefined;
  const failed = { revision: deployment.revision, cause, atMs: nowMs };
  return {
    deployment: rolledBack(deployment, to, Math.max(nowMs, deployment.updatedAtMs), failed),
    verdict: failureVerdict(deployment, progress, cause, to.revision),
  };
}

/** The decision worth keeping: the step does something, or is held for a new reason. */
function decided(
  input: PlanInput,
  progress: { readonly before: ProgressRecord; readonly failing: ProgressRecord; readonly after: ProgressRecord },
  step: Step | undefined,
): Verdict | undefined {
  const { deployment, lastDecision } = input;
  const { before, failing, after } = progress;
  if (step === undefined || deployment.deletingSinceMs !== undefined) return undefined;
  const acts = step.create > 0 || step.removed.size > 0;
  const verdict = verdictOf(step, deployment, failing, input);
  const reached =
    before.rolloutFailure === undefined && after.rolloutFailure !== undefined
      ? failureVerdict(deployment, failing, after.rolloutFailure, undefined)
      : sameJson(before.settled, after.settled)
        ? undefined
        : fullVerdict(deployment, targetOf(deployment));
  // One decision per tick: what was reached is part of the decision to act.
  if (acts) return verdict && reached ? { ...verdict, summary: `${verdict.summary}; ${reached.summary}` } : verdict;
  if (reached !== undefined) return reached;
  if (verdict === undefined) return undefined;
  const last = ofLife(lastDecision(), deployment);
  return sameJson(last?.hold, verdict.hold) ? undefined : verdict;
}

function takeAway(replica: ReplicaRecord, departure: Departure | undefined, nowMs: number): ReplicaRecord {
  if (departure === undefined) return replica;
  return advance(replica, replica.state === "PENDING" ? "STOPPED" : "DRAINING", nowMs, { departure });
}
