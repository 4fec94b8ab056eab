import { type Deployment, DeploymentState } from "../../gen/drover/v1/deployment_pb.ts";
import { ConditionType } from "../../gen/drover/v1/facts_pb.ts";
import { conditionsInWords } from "./conditions.ts";
import { plain } from "./plain-text.ts";
import { colorState, deploymentState, runningOf } from "./print.ts";
import { rolloutProgress } from "./progress.ts";
import type { Colors } from "./session.ts";

/** How far the last save is. */
export type SaveStep =
  /** The program is read, to learn what it deploys. */
  | { readonly kind: "describing" }
  /** Its files are read, compared and sent. */
  | { readonly kind: "sending"; readonly progress: string }
  /** The controller is asked to deploy it. */
  | { readonly kind: "deploying" }
  /** The controller has it: replicas start. */
  | { readonly kind: "starting" }
  /** All deployments serve by it. `afterMs`: since the save. */
  | { readonly kind: "serving"; readonly afterMs: number }
  /** The deployments have what the files say: there was nothing to do. */
  | { readonly kind: "unchanged" }
  /** The new revision was given up, or somebody else changed the deployments. */
  | { readonly kind: "overtaken"; readonly lines: readonly string[] }
  /** It cannot be deployed, as the lines say. */
  | { readonly kind: "failed"; readonly lines: readonly string[] };

/** What the screen of `drover run --watch` shows below the program's output. */
export interface WatchView {
  /** What is watched. */
  readonly folder: string;
  /** Its files in words: `12 files, 34 KiB`. Undefined: not known yet. */
  readonly size: string | undefined;
  /** What was saved: `app.ts`; empty: nothing yet, this is the first deploy. */
  readonly saved: string;
  readonly step: SaveStep;
  /** As far as they are known, in the order of the program. */
  readonly deployments: readonly Deployment[];
  /** Why the controller is not seen just now. Undefined: it is. */
  readonly away: string | undefined;
  /** What Ctrl-C does. */
  readonly atCtrlC: string;
}

/** The most deployments, and the most lines of an explanation, that are shown. */
const deploymentsMax = 20;
const explanationLinesMax = 12;

/** The view as lines, the most important last. */
export function watchLines(view: WatchView, colors: Colors): readonly string[] {
  const { deployments, step, folder, size, away, atCtrlC } = view;
  const watched = size === undefined ? folder : `${folder} (${size})`;
  const shown = deployments.slice(0, deploymentsMax);
  const more = deployments.length - shown.length;
  return [
    ...shown.flatMap((deployment) => deploymentLines(deployment, colors)),
    ...(more > 0 ? [`and ${more} more`] : []),
    ...explanation(step).map((line) => colors.red(line)),
    ...(explanation(step).length > 0 && !shown.some(isFailing) ? goesOn(deployments) : []),
    ...(away === undefined ? [] : [colors.yellow(`${away}; trying again`)]),
    `${saveInWords(view, colors)}  ${colors.dim(`Ctrl-C ${atCtrlC}; watching ${watched}`)}`,
  ];
}

/** How far a save is, on one line. */
export function saveInWords({ saved, step }: WatchView, colors: Colors): string {
  const what = saved === "" ? "" : `${plain(saved)}: `;
  if (step.kind === "serving" && saved === "") return colors.green("serves");
  switch (step.kind) {
    case "describing":
      return `${what}reading the program`;
    case "sending":
      return `${what}${step.progress}`;
    case "deploying":
      return `${what}deploying`;
    case "starting":
      return `${what}starting`;
    case "serving":
      return `${what}${colors.green(`serves, ${(step.afterMs / 1_000).toFixed(2)} s after the save`)}`;
    case "unchanged":
      return `${what}nothing has changed`;
    case "overtaken":
    case "failed":
      return `${what}${colors.red("not deployed")}`;
  }
}

/** Why the save is not what serves; empty: it is, or may yet be. */
function explanation(step: SaveStep): readonly string[] {
  return step.kind === "failed" || step.kind === "overtaken" ? bounded(step.lines) : [];
}

function deploymentLines(deployment: Deployment, colors: Colors): readonly string[] {
  const { spec, status } = deployment;
  const counts = rolloutProgress(status, true) || `${runningOf(status)} running`;
  const line = [plain(spec?.name ?? ""), colorState(colors, deploymentState(status)), counts, `revision ${status?.revision ?? 0n}`].join(
    "  ",
  );
  const why = bounded(conditionsInWords(status).split("\n")).map((text) => `  ${text}`);
  return [line, ...(isFailing(deployment) ? [...why.map((text) => colors.red(text)), ...goesOn([deployment])] : why)];
}

/** Whether the new revision does not start, or was given up. */
export function isFailing({ status }: Deployment): boolean {
  const failures: readonly ConditionType[] = [ConditionType.STARTS_FAILING, ConditionType.ROLLOUT_FAILED, ConditionType.ROLLED_BACK];
  return status?.state === DeploymentState.DEPLOY_FAILED || (status?.conditions ?? []).some(({ type }) => failures.includes(type));
}

/** Says that replicas of an earlier revision go on serving, where there are any. */
function goesOn(deployments: readonly Deployment[]): readonly string[] {
  const running = deployments.filter(({ status }) => (status?.runningReplicas ?? 0) > 0);
  return running.length === 0 ? [] : ["  the last revision that started goes on serving"];
}

function bounded(lines: readonly string[]): readonly string[] {
  const all = lines.flatMap((line) => plain(line).split("\n")).filter((line) => line.trim() !== "");
  return all.length <= explanationLinesMax ? all : [...all.slice(0, 2), "…", ...all.slice(3 - explanationLinesMax)];
}
