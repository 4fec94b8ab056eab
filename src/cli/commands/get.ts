import { stringify } from "yaml";
import { DeploymentSchema } from "../../../gen/drover/v1/deployment_pb.ts";
import { CliError, exitCodes } from "../cli-error.ts";
import { type AddCommand, examples, type Format, outputOption } from "../command.ts";
import { messageJson, printJson } from "../print.ts";

/** `drover get`: everything about one deployment. */
export const addGet: AddCommand = (program, act) => {
  program
    .command("get")
    .description("show a deployment's spec, defaults filled in, and its status")
    .argument("<name>", "the deployment")
    .addOption(outputOption("yaml"))
    .addHelpText("after", examples("drover get sentiment", "drover get sentiment -o json"))
    .action(
      act(async (session, name: string, flags: { readonly output: Format }) => {
        const { deployment } = await session.controller().getDeployment({ name }, session.brief);
        if (!deployment) throw new CliError("the controller answered without a deployment");
        const json = messageJson(DeploymentSchema, deployment);
        if (flags.output === "json") printJson(session, json);
        else session.print(stringify(json).trimEnd());
        return exitCodes.done;
      }),
    );
};
