import { type Deployment, DeploymentSchema } from "../../../gen/drover/v1/deployment_pb.ts";
import { plural } from "../../core/words/phrases.ts";
import { CliError, exitCodes, usage } from "../cli-error.ts";
import { type AddCommand, appOption, examples, type Format, outputOption } from "../command.ts";
import { conditionLines, conditionsInWords } from "../conditions.ts";
import { firstLine, plain } from "../plain-text.ts";
import { colorState, deploymentState, messageJson, printJson, printTable, runningOf, tableText } from "../print.ts";
import { Progress, rolloutProgress } from "../progress.ts";
import type { Session } from "../session.ts";
import { StatusHistory } from "../status-history.ts";
import { watchDeployments } from "../watch.ts";
import { allDeployments, applicationColumn, noSuchApplication } from "./list.ts";
import { allReplicas, printReplicas } from "./replicas.ts";

/** How often a watch asks for troubles. */
const troublesMs = 2_000;

interface StatusFlags {
  readonly app?: string;
  readonly output: Format;
  readonly watch?: boolean;
}

/** `drover status`: how deployments are. */
export const addStatus: AddCommand = (program, act) => {
  program
    .command("status")
    .description("show how deployments are, and what they wait for")
    .argument("[name]", "only this deployment, with its replicas")
    .addOption(appOption())
    .option("-w, --watch", "go on showing changes until Ctrl-C")
    .addOption(outputOption())
    .addHelpText("after", examples("drover status", "drover status --app shop", "drover status sentiment --watch"))
    .action(
      act(async (session, name: string | undefined, flags: StatusFlags) => {
        if (name !== undefined && flags.app !== undefined) throw usage("give the name of a deployment, or --app NAME, and not both");
        if (flags.watch) return watch(session, name, flags);
        if (flags.output !== "json") for (const line of (await troublesOf(session)) ?? []) session.note(`${line}\n`);
        return name === undefined ? showAll(session, flags) : showOne(session, name, flags.output);
      }),
    );
};

/** What keeps the controller from acting, or from seeing replicas; a line each. Undefined: it does not answer. */
async function troublesOf(session: Session, signal = session.io.interrupted): Promise<readonly string[] | undefined> {
  const cluster = await session
    .controller()
    .getCluster({}, { ...session.brief, signal })
    .catch(() => undefined);
  if (cluster === undefined) return undefined;
  const trouble = cluster.storeTrouble;
  const unseen = cluster.unseenNodes.map(({ node, replicas }) => {
    const name = plain(node);
    return (
      `${plural(replicas, "replica")} on node ${name}, which this controller does not see: start the controller there again; ` +
      `or, if it is gone for good, start this one with --forget-node ${name}, which gives these replicas up and replaces them`
    );
  });
  return [
    ...(trouble === undefined ? [] : [`the controller cannot act, and this is what it knew last: ${plain(trouble.message)}`]),
    ...unseen,
  ];
}

/** Calls `show` with the troubles, now if there are any and whenever they change, until the signal aborts. */
async function followTroubles(session: Session, signal: AbortSignal, show: (lines: readonly string[]) => void): Promise<void> {
  let before = "";
  while (!signal.aborted) {
    const lines = await troublesOf(session, signal);
    if (lines !== undefined && lines.join() !== before && !signal.aborted) {
      before = lines.join();
      show(lines);
    }
    await session.io.sleep(troublesMs, signal);
  }
}

async function showAll(session: Session, { output, app }: StatusFlags): Promise<number> {
  const deployments = await allDeployments(session, app);
  if (output === "json")
    printJson(
      session,
      deployments.map((deployment) => messageJson(DeploymentSchema, deployment)),
    );
  else if (deployments.length === 0) session.note("no deployments: `drover run` or `drover deploy` makes one");
  else session.print(statusTable(session, deployments));
  return exitCodes.done;
}

async function showOne(session: Session, name: string, output: Format): Promise<number> {
  const { deployment } = await session.controller().getDeployment({ name }, session.brief);
  if (!deployment) throw new CliError("the controller answered without a deployment");
  if (output === "json") {
    printJson(session, messageJson(DeploymentSchema, deployment));
    return exitCodes.done;
  }
  const { status } = deployment;
  printTable(
    session,
    ["NAME", "STATE", "RUNNING", "UPDATED", "ONGOING", "QUEUED", "REVISION", "CONFIG", "GENERATION"],
    [
      [
        name,
        colorState(session.colors, deploymentState(status)),
        runningOf(status),
        String(status?.updatedReplicas ?? 0),
        String(status?.ongoingRequests ?? 0),
        String(status?.queuedRequests ?? 0),
        String(status?.revision ?? 0),
        String(status?.configGeneration ?? 0),
        `${status?.observedGeneration ?? 0}/${status?.generation ?? 0}`,
      ],
    ],
  );
  const lines = conditionLines(status, session.io.nowMs());
  if (lines.length > 0) session.print(`\n${plain(lines.join("\n"))}`);
  const replicas = await allReplicas(session, name);
  if (replicas.length > 0) {
    session.print("");
    printReplicas(session, replicas);
  }
  return exitCodes.done;
}

/** With `history` (on a terminal) also the recent load and replicas. */
function statusTable(session: Session, deployments: readonly Deployment[], history?: StatusHistory): string {
  const { head, cellOf } = applicationColumn(deployments);
  const rows = deployments.map((deployment) => {
    const { spec, status } = deployment;
    return [
      spec?.name ?? "",
      colorState(session.colors, deploymentState(status)),
      runningOf(status),
      String(status?.ongoingRequests ?? 0),
      String(status?.queuedRequests ?? 0),
      ...(history?.drawn(spec?.name ?? "") ?? []),
      ...cellOf(deployment),
      [rolloutProgress(status, history !== undefined), firstLine(conditionsInWords(status))].filter((text) => text !== "").join("  "),
    ];
  });
  const lately = history ? ["LOAD", "REPLICAS"] : [];
  return tableText(session.colors, ["NAME", "STATE", "RUNNING", "ONGOING", "QUEUED", ...lately, ...head, "MESSAGE"], rows);
}

/** Redraws a table on a terminal at each change; else prints a line (of JSON) for each change. */
async function watch(session: Session, name: string | undefined, { output, app }: StatusFlags): Promise<number> {
  const { stdout } = session.io;
  const lines = new Progress({ write: (chunk) => stdout.write(chunk) }, session.colors);
  const history = new StatusHistory(stdout.columns);
  let draw = () => {};
  let troubles: readonly string[] = [];
  const over = new AbortController();
  const onTroubles = (lines: readonly string[]) => {
    troubles = lines;
    if (stdout.isTTY) draw();
    else for (const line of lines.length > 0 ? lines : ["the controller can act again, and sees all replicas"]) session.note(line);
  };
  const following =
    output === "json" ? undefined : followTroubles(session, AbortSignal.any([over.signal, session.io.interrupted]), onTroubles);
  try {
    for await (const { deployments, synced, changed } of watchDeployments(session, name === undefined ? [] : [name], {
      application: app,
    })) {
      const now = changed === undefined ? undefined : deployments.get(changed);
      if (name !== undefined && synced && !deployments.has(name))
        throw new CliError(changed ? `${name}: was deleted` : `no deployment "${name}"`);
      if (app !== undefined && synced && deployments.size === 0)
        throw changed ? new CliError(`${app}: all its deployments were deleted`) : noSuchApplication(app);
      if (output === "json") {
        const event = now ? messageJson(DeploymentSchema, now) : changed === undefined ? undefined : { deployment_deleted: changed };
        if (event !== undefined) session.print(JSON.stringify(event));
      } else if (stdout.isTTY) {
        if (changed !== undefined) history.note(changed, now?.status);
        const all = [...deployments.values()].sort((a, b) => ((a.spec?.name ?? "") < (b.spec?.name ?? "") ? -1 : 1));
        draw = () =>
          stdout.write(["\u001b[H\u001b[2J", ...troubles.map((line) => `${line}\n\n`), statusTable(session, all, history), "\n"].join(""));
        if (synced) draw();
      } else if (now) lines.show(now);
      else if (changed !== undefined) lines.line(changed, `${changed}  deleted`);
    }
  } finally {
    over.abort();
    await following;
  }
  return exitCodes.done;
}
