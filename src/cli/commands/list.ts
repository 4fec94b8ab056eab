import { type Deployment, DeploymentSchema } from "../../../gen/drover/v1/deployment_pb.ts";
import { everyPage } from "../../rpc/every-page.ts";
import { exitCodes } from "../cli-error.ts";
import { type AddCommand, examples, type Format, outputOption } from "../command.ts";
import { age, colorState, deploymentState, messageJson, printJson, printTable, programOf, runningOf } from "../print.ts";
import type { Session } from "../session.ts";

/** `drover list`: the deployments. */
export const addList: AddCommand = (program, act) => {
  program
    .command("list")
    .description("list the deployments")
    .addOption(outputOption())
    .addHelpText("after", examples("drover list", "drover list -o json"))
    .action(
      act(async (session, flags: { readonly output: Format }) => {
        const deployments = await allDeployments(session);
        if (flags.output === "json")
          printJson(
            session,
            deployments.map((deployment) => messageJson(DeploymentSchema, deployment)),
          );
        else if (deployments.length === 0) session.note("no deployments: `drover run` or `drover deploy` makes one");
        else
          printTable(
            session,
            ["NAME", "STATE", "RUNNING", "AGE", "PROGRAM"],
            deployments.map((deployment) => row(session, deployment)),
          );
        return exitCodes.done;
      }),
    );
};

export async function allDeployments(session: Session): Promise<readonly Deployment[]> {
  const controller = session.controller();
  const all: Deployment[] = [];
  for await (const page of everyPage((pageToken) => controller.listDeployments({ pageToken, pageSize: 1_000 }, session.brief)))
    all.push(...page.deployments);
  return all;
}

function row({ colors, io }: Session, deployment: Deployment): readonly string[] {
  const { spec, status, createTime } = deployment;
  return [
    spec?.name ?? "",
    colorState(colors, deploymentState(status)),
    runningOf(status),
    age(io.nowMs(), createTime),
    programOf(deployment),
  ];
}
