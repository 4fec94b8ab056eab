import type { Deployment } from "../../gen/drover/v1/deployment_pb.ts";
import { conditionsInWords, subjectOf } from "./conditions.ts";
import { LiveScreen } from "./live-screen.ts";
import { plain } from "./plain-text.ts";
import { Progress } from "./progress.ts";
import type { Session } from "./session.ts";
import { isFailing, type SaveStep, saveInWords, type WatchView, watchLines } from "./watch-lines.ts";

/** Shows a view, on a terminal or as lines. */
export interface ViewOutput {
  /** The session whose output goes along with the view. */
  readonly session: Session;
  show(view: WatchView): void;
  close(): void;
}

/**
 * On a terminal, the view stays below all that the session prints. Elsewhere, each step is a line of
 * standard error.
 */
export function openView(session: Session): ViewOutput {
  const { stdout, stderr } = session.io;
  const terminal = stdout.isTTY ? stdout : stderr.isTTY ? stderr : undefined;
  if (terminal === undefined) return linesOf(session);
  const screen = new LiveScreen(terminal);
  const colors = stdout.isTTY ? session.colors : session.errorColors;
  return {
    session: session.with({ stderr: screen.above, ...(stdout.isTTY && { stdout: screen.above }) }),
    show: (view) => screen.show(watchLines(view, colors)),
    close: () => screen.close(),
  };
}

function linesOf(session: Session): ViewOutput {
  const { errorColors: colors, io } = session;
  const progress = new Progress(io.stderr, colors, () => io.nowMs());
  let last: WatchView | undefined;
  /** What was said of a save last. */
  let said = "";
  const failures = new Map<string, string>();
  return {
    session,
    show(view) {
      if (last === undefined) session.note(`watching ${view.folder}: each save is deployed; Ctrl-C ${view.atCtrlC}`);
      if (view.away !== undefined && last?.away !== view.away) session.note(`${view.away}; trying again`);
      for (const deployment of view.deployments) showDeployment(deployment);
      if (last?.step !== view.step && isWorthALine(view.step, last?.step)) {
        const why = "lines" in view.step ? view.step.lines.map((line) => `\n  ${plain(line).replaceAll("\n", "\n  ")}`) : [];
        const text = `${saveInWords(view, colors)}${why.join("")}`;
        if (text !== said) session.note(text);
        said = text;
      }
      last = view;
    },
    close: () => {},
  };

  function showDeployment(deployment: Deployment): void {
    progress.show(deployment);
    const name = deployment.spec?.name ?? "";
    const about = isFailing(deployment) ? subjectOf(deployment.status) : "";
    if (failures.get(name) === about) return;
    failures.set(name, about);
    const [, ...more] = about === "" ? [] : plain(conditionsInWords(deployment.status)).trim().split("\n");
    for (const line of more) session.note(`  ${line}`);
  }
}

/** Steps that end at once have no line of their own. */
function isWorthALine(step: SaveStep, last: SaveStep | undefined): boolean {
  return step.kind === "sending" ? last?.kind !== "sending" : step.kind !== "describing" && step.kind !== "starting";
}
