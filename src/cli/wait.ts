import { type Deployment, DeploymentState } from "../../gen/drover/v1/deployment_pb.ts";
import { StatusError } from "../core/errors.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { statusInWords } from "./conditions.ts";
import type { DeleteTarget } from "./delete-deployments.ts";
import { printDuration } from "./duration.ts";
import { failureLines } from "./failure.ts";
import { plain } from "./plain-text.ts";
import { deploymentState } from "./print.ts";
import { Progress, progressLine } from "./progress.ts";
import type { Session } from "./session.ts";
import { watchDeployments } from "./watch.ts";

/** The result of a wait for one deployment; undefined: go on waiting. */
type WaitResult =
  | { readonly healthy: Deployment }
  | { readonly gone: string }
  | { readonly paused: string }
  | { readonly failed: string }
  | undefined;
type Judge = (deployment: Deployment | undefined) => WaitResult;

/**
 * Waits until each deployment is healthy at its generation or a later one, or its rollout is
 * paused, and until pruned deployments are gone. Shows progress. Returns the exit code.
 */
export function waitUntilHealthy(
  session: Session,
  wanted: readonly Deployment[],
  timeoutMs: number,
  pruned: readonly string[] = [],
): Promise<number> {
  const judges = new Map<string, Judge>();
  for (const deployment of wanted) judges.set(deployment.spec?.name ?? "", (now) => judgeHealth(deployment, now));
  for (const name of pruned) judges.set(name, (now) => (isBeingDeleted({ name }, now) ? undefined : { gone: name }));
  return waitFor(session, judges, timeoutMs, "goes on without you: `drover status` shows how");
}

/** Waits until each deployment is gone. Returns the exit code. */
export function waitUntilGone(session: Session, deleted: readonly DeleteTarget[], timeoutMs: number): Promise<number> {
  const judges = new Map<string, Judge>();
  for (const target of deleted) judges.set(target.name, (now) => (isBeingDeleted(target, now) ? undefined : { gone: target.name }));
  return waitFor(session, judges, timeoutMs, "goes on being deleted: `drover status` shows how far it is");
}

function isBeingDeleted({ uid }: DeleteTarget, now: Deployment | undefined): boolean {
  return uid === undefined ? now?.status?.state === DeploymentState.DELETING : now?.uid === uid;
}

function judgeHealth(wanted: Deployment, now: Deployment | undefined): WaitResult {
  const name = wanted.spec?.name ?? "";
  if (!now || now.uid !== wanted.uid) return { failed: `${name}: was deleted during the wait` };
  const { state = DeploymentState.UNSPECIFIED, observedGeneration = 0n, paused = false } = now.status ?? {};
  const failed = { failed: `${name}: ${stateInWords(now)}` };
  if (state === DeploymentState.DELETING) return failed;
  if (observedGeneration < (wanted.status?.generation ?? 0n)) return undefined;
  if (state === DeploymentState.HEALTHY) return { healthy: now };
  if (state === DeploymentState.DEPLOY_FAILED || state === DeploymentState.UNHEALTHY) return failed;
  const isPaused = paused && state === DeploymentState.UPDATING;
  return isPaused ? { paused: `${name}: its rollout is paused: \`drover resume ${name}\` lets it go on` } : undefined;
}

async function waitFor(session: Session, judges: ReadonlyMap<string, Judge>, timeoutMs: number, afterwards: string): Promise<number> {
  const waiting = new Map(judges);
  const last = new Map<string, Deployment>();
  const failures: string[] = [];
  const progress = new Progress(session.io.stderr, session.errorColors, () => session.io.nowMs());
  try {
    for await (const { deployments, synced, changed } of watchDeployments(session, [...judges.keys()], { timeoutMs })) {
      for (const name of changed === undefined ? [...waiting.keys()] : [changed]) {
        const now = deployments.get(name);
        if (now) last.set(name, now);
        // A deployment that has not come before `synced` may still come.
        const judged = now || synced ? waiting.get(name)?.(now) : undefined;
        if (now && !judged && waiting.has(name)) progress.show(now);
        if (!judged) continue;
        waiting.delete(name);
        progress.end(name);
        if ("failed" in judged) failures.push(judged.failed);
        else if ("paused" in judged) session.note(judged.paused);
        else if ("gone" in judged) session.print(`${judged.gone}  deleted`);
        else session.print(progressLine(judged.healthy, session.colors));
      }
      if (waiting.size === 0) break;
    }
  } catch (error) {
    progress.clear();
    throw endedEarly(session, error, [...waiting.keys()], last, failures, timeoutMs, afterwards);
  }
  progress.clear();
  if (failures.length > 0) throw new CliError(failures.flatMap((failure) => failure.split("\n")));
  return exitCodes.done;
}

function endedEarly(
  session: Session,
  error: unknown,
  waiting: readonly string[],
  last: ReadonlyMap<string, Deployment>,
  failures: readonly string[],
  timeoutMs: number,
  afterwards: string,
): CliError {
  const goesOn = `${waiting.join(", ")} ${afterwards}`;
  if (session.io.interrupted.aborted) return new CliError([`interrupted: ${goesOn}`], exitCodes.interrupted);
  const timedOut = error instanceof StatusError && error.code === "DEADLINE_EXCEEDED";
  const why = timedOut
    ? waiting.map((name) => `${name}: not done after ${printDuration(timeoutMs)}: ${stateInWords(last.get(name))}`)
    : failureLines(error, session.called);
  return new CliError([...failures, ...why, goesOn].flatMap((line) => line.split("\n")));
}

function stateInWords(deployment: Deployment | undefined): string {
  if (deployment === undefined) return "nothing is known of it";
  return `${deploymentState(deployment.status)}: ${plain(statusInWords(deployment.status))}`;
}
