import { type Deployment, DeploymentSchema } from "../../../gen/drover/v1/deployment_pb.ts";
import { everyPage } from "../../rpc/every-page.ts";
import { CliError, exitCodes, usage } from "../cli-error.ts";
import { type AddCommand, appOption, examples, type Format, outputOption } from "../command.ts";
import { age, colorState, deploymentState, messageJson, printJson, printTable, programOf, runningOf } from "../print.ts";
import type { Session } from "../session.ts";

/** `drover list`: the deployments. */
export const addList: AddCommand = (program, act) => {
  program
    .command("list")
    .description("list the deployments")
    .addOption(appOption())
    .addOption(outputOption())
    .addHelpText("after", examples("drover list", "drover list --app shop", "drover list -o json"))
    .action(
      act(async (session, flags: { readonly output: Format; readonly app?: string }) => {
        const deployments = await allDeployments(session, flags.app);
        if (flags.output === "json")
          printJson(
            session,
            deployments.map((deployment) => messageJson(DeploymentSchema, deployment)),
          );
        else if (deployments.length === 0) session.note("no deployments: `drover run` or `drover deploy` makes one");
        else {
          const { head, cellOf } = applicationColumn(deployments);
          printTable(
            session,
            ["NAME", "STATE", "RUNNING", "AGE", ...head, "PROGRAM"],
            deployments.map((deployment) => row(session, deployment, cellOf(deployment))),
          );
        }
        return exitCodes.done;
      }),
    );
};

/** All deployments, or those of an application. Throws `CliError` where that has none, unless `allowMissing`. */
export async function allDeployments(session: Session, application?: string, allowMissing = false): Promise<readonly Deployment[]> {
  if (application === "") throw usage("--app: must be the name of an application");
  const controller = session.controller();
  const all: Deployment[] = [];
  const read = (pageToken: string) =>
    controller.listDeployments({ pageToken, pageSize: 1_000, application: application ?? "" }, session.brief);
  for await (const page of everyPage(read)) all.push(...page.deployments);
  if (application !== undefined && all.length === 0 && !allowMissing) throw noSuchApplication(application);
  return all;
}

export function noSuchApplication(application: string): CliError {
  return new CliError([`no deployment belongs to application "${application}"`, "`drover list` shows which deployments belong to which"]);
}

/** The column of applications: none where no deployment belongs to one. */
export function applicationColumn(deployments: readonly Deployment[]): {
  readonly head: readonly string[];
  readonly cellOf: (deployment: Deployment) => readonly string[];
} {
  const head = deployments.some(({ spec }) => spec?.application) ? ["APPLICATION"] : [];
  return { head, cellOf: ({ spec }) => head.map(() => spec?.application || "-") };
}

function row({ colors, io }: Session, deployment: Deployment, application: readonly string[]): readonly string[] {
  const { spec, status, createTime } = deployment;
  return [
    spec?.name ?? "",
    colorState(colors, deploymentState(status)),
    runningOf(status),
    age(io.nowMs(), createTime),
    ...application,
    programOf(deployment),
  ];
}
