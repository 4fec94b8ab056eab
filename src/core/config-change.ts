import type { DeploymentRecord, DeploymentSpec, RevisionRecord } from "./deployment.ts";
import type { ConfigProblem } from "./ending.ts";
import type { FieldViolation } from "./errors.ts";
import type { Json } from "./json.ts";
import { ofLife } from "./lineage.ts";

/** What replicas can be given while they run. */
export interface Config {
  readonly generation: number;
  /** Undefined: none. */
  readonly userConfig?: Json;
  readonly maxOngoingRequests: number;
}

/** The config that is committed for replicas of a revision; undefined: the revision is not kept any more. */
export function committedConfig(
  deployment: DeploymentRecord,
  revision: number,
  findRevision: (revision: number) => RevisionRecord | undefined,
): Config | undefined {
  if (deployment.revision === revision) return configOf(deployment.spec, deployment.configGeneration);
  const old = ofLife(findRevision(revision), deployment);
  return old && configOf(old.spec, old.configGeneration);
}

export function configOf({ userConfig, maxOngoingRequests }: DeploymentSpec, generation: number): Config {
  return { generation, maxOngoingRequests, ...(userConfig === undefined ? {} : { userConfig }) };
}

/** The steps of a change, and how it can end: it is in use; it could be (only asked); it is not. */
export const configSteps = ["PREPARE", "APPLY_ONE", "APPLY_REST", "REVERT", "COMMITTED", "PREPARED", "REFUSED"] as const;
export type ConfigStep = (typeof configSteps)[number];

/** How long a replica may take to answer in a step. */
export const answerMaxMs: Readonly<Record<ConfigPhase, number>> = { PREPARE: 10_000, APPLY: 30_000, REVERT: 30_000 };

/** What a replica is told. */
export type ConfigPhase = "PREPARE" | "APPLY" | "REVERT";

/** What a replica made of a config. */
export type ConfigOutcome = "ACCEPTED" | "APPLIED" | "REFUSED" | "REVERTED" | "REPLACED";

export interface ReplicaOutcome {
  readonly replicaId: string;
  readonly outcome: ConfigOutcome;
  /** Why it did not take the config; undefined: it did, or was not asked. */
  readonly problem?: ConfigProblem;
  /** Why it could not go back to the config before. */
  readonly revertProblem?: ConfigProblem;
}

/** The fields that a schema refused. */
export function violationsOf({ problem, revertProblem }: Pick<ReplicaOutcome, "problem" | "revertProblem">): readonly FieldViolation[] {
  return [problem, revertProblem].flatMap((one) => (one?.kind === "refused" ? one.violations : []));
}

/** A change of config: the one that is being made, or the last that was. Begun by the API, made by the loops. */
export interface ConfigChangeRecord {
  readonly uid: string;
  readonly deployment: string;
  readonly id: string;
  /** Of the config that it brings. */
  readonly generation: number;
  /** The spec that is to be committed. */
  readonly spec: DeploymentSpec;
  /** Ask only. */
  readonly dryRun: boolean;
  readonly author: string;
  readonly startedAtMs: number;
  readonly step: ConfigStep;
  readonly replicas: readonly ReplicaOutcome[];
}

/** A config that was committed. Written with the commit, once. */
export interface ConfigRecord extends Config {
  readonly uid: string;
  readonly deployment: string;
  /** The revision that was wanted then. */
  readonly revision: number;
  readonly author: string;
  readonly atMs: number;
}

/** Configs kept for a deployment. */
export const configsKept = 20;

/**
 * What a call to a replica came to. One that is taken away has no part in the change any more (`gone`); one that ended by itself while it
 * was told may have done so for what it was told (`ended`).
 */
export type CallResult = { readonly replicaId: string } & (
  | { readonly kind: "done" | "gone" }
  | { readonly kind: "ended" | "refused" | "silent"; readonly problem: ConfigProblem }
);

/** Whether the change is over. */
export const isOver = ({ step }: ConfigChangeRecord): boolean => step === "COMMITTED" || step === "PREPARED" || step === "REFUSED";

/** What replicas are told in the change's step. */
export function phaseOf({ step }: ConfigChangeRecord): ConfigPhase {
  return step === "PREPARE" ? "PREPARE" : step === "REVERT" ? "REVERT" : "APPLY";
}

/** Who is to be called in the step after these `answers`: one replica, until one has answered or ended; or all that run. */
export function calledIn({ step }: ConfigChangeRecord, running: readonly string[], answers: readonly CallResult[] = []): readonly string[] {
  const called = new Set(answers.map(({ replicaId }) => replicaId));
  const left = running.filter((id) => !called.has(id));
  if (step !== "APPLY_ONE") return left;
  return answers.some(({ kind }) => kind !== "gone") ? [] : left.slice(0, 1);
}

/**
 * The change after the calls of its step: all are asked, then one serves by it, then the rest, then it is committed; where anything was
 * refused or failed, all go back. Replicas that end while they are told may have ended for that: they count as refusals where they are
 * more than those that took it. The one that is to serve by it first may end by chance once: another is tried.
 * Invariant: from APPLY_ONE on it ends as COMMITTED, or by way of REVERT.
 */
export function afterCalls(change: ConfigChangeRecord, results: readonly CallResult[]): ConfigChangeRecord {
  const { step, dryRun } = change;
  const ended = results.filter(({ kind }) => kind === "ended");
  const others = results.filter(({ kind }) => kind !== "gone" && kind !== "ended");
  const fatal = ended.length > others.filter(({ kind }) => kind === "done").length;
  const told = fatal && step !== "REVERT" ? [...others, ...ended] : others;
  const failed = told.some(({ kind }) => kind !== "done");
  switch (step) {
    case "PREPARE":
      return withOutcomes(
        change,
        told,
        "ACCEPTED",
        failed ? "REFUSED" : dryRun ? "PREPARED" : told.length === 0 ? "COMMITTED" : "APPLY_ONE",
      );
    case "APPLY_ONE": {
      const again = change.replicas.some(({ outcome }) => outcome === "REFUSED");
      if (ended.length > 0 && !again) return withOutcomes(change, told, "APPLIED", "APPLY_ONE");
      // Where it ended one, and there is no other to try it, nobody knows that it can be served by.
      return withOutcomes(change, told, "APPLIED", failed || (again && told.length === 0) ? "REVERT" : "APPLY_REST");
    }
    case "APPLY_REST":
      return withOutcomes(change, told, "APPLIED", failed ? "REVERT" : "COMMITTED");
    case "REVERT":
      return withOutcomes(change, told, "REVERTED", "REFUSED");
    default:
      return change;
  }
}

/** The change given up before anything was applied, or once all went back. */
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
  const told = new Set(results.map(({ replicaId }) => replicaId));
  // Those that are told later; and why all go back, also where who refused has ended since. Nobody refused what is taken by all.
  const others = change.replicas.filter(
    ({ replicaId, outcome, problem, revertProblem }) =>
      !told.has(replicaId) &&
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
    // Of one that refused, that is what counts; one that was never told has nothing to go back from.
    const stays = change.step === "REVERT" && known !== undefined && known.outcome !== "APPLIED" && known.outcome !== "REPLACED";
    return stays ? known : { replicaId, outcome: done, problem: known?.problem, revertProblem: known?.revertProblem };
  });
  return { ...change, step, replicas: [...others, ...now] };
}

/** The replicas that are to be replaced because they did not answer, or could not go back. */
export function toReplace(change: Pick<ConfigChangeRecord, "step" | "replicas">): readonly ReplicaOutcome[] {
  return change.step === "REFUSED" ? change.replicas.filter(({ outcome }) => outcome === "REPLACED") : [];
}
