import { Document, isScalar, visit } from "yaml";
import { DeploymentSchema } from "../../../gen/drover/v1/deployment_pb.ts";
import type { Json } from "../../core/json.ts";
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
    .addHelpText(
      "after",
      examples(
        "drover get sentiment",
        "drover get sentiment -o json",
        "drover get sentiment | sed 's/num_replicas: 2/num_replicas: 3/' | drover deploy -",
      ),
    )
    .action(
      act(async (session, name: string, flags: { readonly output: Format }) => {
        const { deployment } = await session.controller().getDeployment({ name }, session.brief);
        if (!deployment) throw new CliError("the controller answered without a deployment");
        const json = messageJson(DeploymentSchema, deployment);
        if (flags.output === "json") printJson(session, json);
        else session.print(yamlOf(json));
        return exitCodes.done;
      }),
    );
};

/** YAML that reads as the same JSON again. `<<` stands in quotes: without them it merges a mapping in. */
function yamlOf(json: Json): string {
  const document = new Document(json, { aliasDuplicateObjects: false });
  visit(document, {
    Pair(_, { key }) {
      if (isScalar(key) && key.value === "<<") key.type = "QUOTE_DOUBLE";
    },
  });
  return document.toString({ lineWidth: 0 }).trimEnd();
}
