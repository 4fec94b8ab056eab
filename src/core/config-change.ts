import type { DeploymentRecord, DeploymentSpec, RevisionRecord } from "./deployment.ts";
import type { ConfigProblem } from "./ending.ts";
import type { FieldViolation } from "./errors.ts";
import type { Json } from "./json.ts";
import { ofLife } from "./lineage.ts";

/** A config that a replica can take while it runs. */
export interface ReplicaConfig {
  readonly generation: number;
  /** Undefined: no user config. */
  readonly userConfig?: Json;
  readonly maxOngoingRequests: number;
}

/** The committed config of replicas of a revision. Undefined: the revision is no longer kept. */
export function committedConfig(
  deployment: DeploymentRecord,
  revision: number,
  findRevision: (revision: number) => RevisionRecord | undefined,
): ReplicaConfig | undefined {
  if (deployment.revision === revision) return configOf(deployment.spec, deployment.configGeneration);
  const old = ofLife(findRevision(revision), deployment);
  return old && configOf(old.spec, old.configGeneration);
}

export function configOf({ userConfig, maxOngoingRequests }: DeploymentSpec, generation: number): ReplicaConfig {
  return { generation, maxOngoingRequests, ...(userConfig === undefined ? {} : { userConfig }) };
}

/**
 * The steps of a change, and its ends: COMMITTED (in use), PREPARED (a dry run that all accepted),
 * REFUSED.
 */
export const configSteps = ["PREPARE", "APPLY_ONE", "APPLY_REST", "REVERT", "COMMITTED", "PREPARED", "REFUSED"] as const;
export type ConfigStep = (typeof configSteps)[number];

/** How long a replica may take to answer a call of this phase. */
export const answerMaxMs: Readonly<Record<ConfigPhase, number>> = { PREPARE: 10_000, APPLY: 30_000, REVERT: 30_000 };

/** What a replica is asked to do with a config. */
export type ConfigPhase = "PREPARE" | "APPLY" | "REVERT";

/** What came of a config at one replica. */
export type ConfigOutcome = "ACCEPTED" | "APPLIED" | "REFUSED" | "REVERTED" | "REPLACED";

export interface ReplicaOutcome {
  readonly replicaId: string;
  readonly outcome: ConfigOutcome;
  /** Why the replica did not take the config. Undefined: it did, or was not asked. */
  readonly problem?: ConfigProblem;
  /** Why the replica could not go back to the previous config. */
  readonly revertProblem?: ConfigProblem;
}

/** The fields that a replica's schema refused. */
export function violationsOf({ problem, revertProblem }: Pick<ReplicaOutcome, "problem" | "revertProblem">): readonly FieldViolation[] {
  return [problem, revertProblem].flatMap((one) => (one?.kind === "refused" ? one.violations : []));
}

/** A change of config: the current one, or the last. Begun by the API, carried out by the loops. */
export interface ConfigChangeRecord {
  readonly uid: string;
  readonly deployment: string;
  readonly id: string;
  /** The generation of the new config. */
  readonly generation: number;
  /** The spec to commit. */
  readonly spec: DeploymentSpec;
  /** A dry run: ask the replicas, and apply nothing. */
  readonly dryRun: boolean;
  readonly author: string;
  readonly step: ConfigStep;
  readonly replicas: readonly ReplicaOutcome[];
}

/** A committed config. Written once, with the commit. */
export interface ConfigRecord extends ReplicaConfig {
  readonly uid: string;
  readonly deployment: string;
  /** The revision wanted at that time. */
  readonly revision: number;
  readonly author: string;
  readonly atMs: number;
}

/** Configs kept per deployment. */
export const configsKept = 20;

/**
 * The result of a call to a replica. `gone`: the replica is being removed and no longer takes part.
 * `ended`: it ended by itself during the call, perhaps because of the config.
 */
export type CallResult = { readonly replicaId: string } & (
  | { readonly kind: "done" | "gone" }
  | { readonly kind: "ended" | "refused" | "silent"; readonly problem: ConfigProblem }
);

/** Whether the change is over. */
export const isOver = ({ step }: ConfigChangeRecord): boolean => step === "COMMITTED" || step === "PREPARED" || step === "REFUSED";

/** What replicas are asked for in the change's step. */
export function phaseOf({ step }: ConfigChangeRecord): ConfigPhase {
  return step === "PREPARE" ? "PREPARE" : step === "REVERT" ? "REVERT" : "APPLY";
}

/**
 * The replicas to call next in this step, after these `answers`: all that run; in APPLY_ONE a
 * single replica, until one has answered or ended.
 */
export function calledIn({ step }: ConfigChangeRecord, running: readonly string[], answers: readonly CallResult[] = []): readonly string[] {
  const called = new Set(answers.map(({ replicaId }) => replicaId));
  const left = running.filter((id) => !called.has(id));
  if (step !== "APPLY_ONE") return left;
  return answers.some(({ kind }) => kind !== "gone") ? [] : left.slice(0, 1);
}

/**
 * The change after the calls of its step. All replicas are asked, then one applies the config, then
 * the rest, then it is committed. If a replica refuses or fails, all revert. A replica that ended
 * during its call may have ended because of the config: such replicas count as refusals if they
 * outnumber the replicas that took it. In APPLY_ONE the first replica may end once by chance:
 * another one is tried. Invariant: from APPLY_ONE on, a change ends as COMMITTED, or by way of
 * REVERT.
 */
export function afterCalls(change: ConfigChangeRecord, results: readonly CallResult[]): ConfigChangeRecord {
  const { step, dryRun } = change;
  const ended = results.filter(({ kind }) => kind === "ended");
  const others = results.filter(({ kind }) => kind !== "gone" && kind !== "ended");
  const fatal = ended.length > others.filter(({ kind }) => kind === "done").length;
  const counted = fatal && step !== "REVERT" ? [...others, ...ended] : others;
  const failed = counted.some(({ kind }) => kind !== "done");
  switch (step) {
    case "PREPARE":
      return withOutcomes(
        change,
        counted,
        "ACCEPTED",
        failed ? "REFUSED" : dryRun ? "PREPARED" : counted.length === 0 ? "COMMITTED" : "APPLY_ONE",
      );
    case "APPLY_ONE": {
      const again = change.replicas.some(({ outcome }) => outcome === "REFUSED");
      if (ended.length > 0 && !again) return withOutcomes(change, counted, "APPLIED", "APPLY_ONE");
      // A replica ended in this step before, and no other is left to try: whether the config works
      // is not known.
      return withOutcomes(change, counted, "APPLIED", failed || (again && counted.length === 0) ? "REVERT" : "APPLY_REST");
    }
    case "APPLY_REST":
      return withOutcomes(change, counted, "APPLIED", failed ? "REVERT" : "COMMITTED");
    case "REVERT":
      return withOutcomes(change, counted, "REVERTED", "REFUSED");
    default:
      return change;
  }
}

/** The change given up, before anything was applied or after all replicas went back. */
export function givenUp(change: ConfigChangeRecord): ConfigChangeRecord {
  return { ...change, step: "REFUSED" };
}

function withOutcomes(
  change: ConfigChangeRecord,
  results: readonly CallResult[],
  done: ConfigOutcome,
  step: ConfigStep,
): ConfigChangeRecord {
  const before = new Map(change.replicas.map((one) => [one.replicaId, one]));
  const called = new Set(results.map(({ replicaId }) => replicaId));
  // Keep: replicas still to be called, and refusals, even of replicas that have ended since,
  // because they explain the revert. Drop refusals once the change commits.
  const others = change.replicas.filter(
    ({ replicaId, outcome, problem, revertProblem }) =>
      !called.has(replicaId) &&
      (change.step === "APPLY_ONE" || (problem ?? revertProblem) !== undefined) &&
      !(step === "COMMITTED" && outcome === "REFUSED"),
  );
  const now = results.map((result): ReplicaOutcome => {
    const { replicaId } = result;
    const known = before.get(replicaId);
    if (result.kind === "refused" || result.kind === "silent" || result.kind === "ended") {
      const { problem } = result;
      // A dry run never replaces a replica.
      const refuses = result.kind === "ended" || (result.kind === "refused" ? change.step !== "REVERT" : change.dryRun);
      if (refuses) return { replicaId, outcome: "REFUSED", problem };
      return known?.problem === undefined
        ? { replicaId, outcome: "REPLACED", ...(change.step === "REVERT" ? { revertProblem: problem } : { problem }) }
        : { replicaId, outcome: "REPLACED", problem: known.problem, revertProblem: problem };
    }
    // A refusal stays what is recorded. A replica that was never called has nothing to revert.
    const stays = change.step === "REVERT" && known !== undefined && known.outcome !== "APPLIED" && known.outcome !== "REPLACED";
    return stays ? known : { replicaId, outcome: done, problem: known?.problem, revertProblem: known?.revertProblem };
  });
  return { ...change, step, replicas: [...others, ...now] };
}

/** The replicas to replace, because they did not answer or could not go back. */
export function toReplace(change: Pick<ConfigChangeRecord, "step" | "replicas">): readonly ReplicaOutcome[] {
  return change.step === "REFUSED" ? change.replicas.filter(({ outcome }) => outcome === "REPLACED") : [];
}
