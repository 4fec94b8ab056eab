import { toJson } from "@bufbuild/protobuf";
import { type Value, ValueSchema } from "@bufbuild/protobuf/wkt";
import { type Config, ConfigSchema } from "../../../gen/drover/v1/controller_service_pb.ts";
import { everyPage } from "../../rpc/every-page.ts";
import { exitCodes } from "../cli-error.ts";
import { type AddCommand, examples, type Format, outputOption } from "../command.ts";
import { plain } from "../plain-text.ts";
import { age, messageJson, printJson, printTable } from "../print.ts";

/** `drover configs`: the configs that were in use. */
export const addConfigs: AddCommand = (program, act) => {
  program
    .command("configs")
    .description("list the configs of a deployment that were in use, the newest first")
    .argument("<name>", "the deployment")
    .addOption(outputOption())
    .addHelpText("after", examples("drover configs sentiment", "drover configs sentiment -o json"))
    .action(
      act(async (session, name: string, flags: { readonly output: Format }) => {
        const controller = session.controller();
        const configs: Config[] = [];
        for await (const page of everyPage((pageToken) => controller.listConfigs({ name, pageToken }, session.brief)))
          configs.push(...page.configs);
        if (flags.output === "json")
          printJson(
            session,
            configs.map((config) => messageJson(ConfigSchema, config)),
          );
        else if (configs.length === 0) session.note("no configs yet");
        else
          printTable(
            session,
            ["GENERATION", "REVISION", "AGE", "AUTHOR", "MAX ONGOING", "CONFIG", ""],
            configs.map(({ configGeneration, revision, commitTime, author, maxOngoingRequests, userConfig, current }) => [
              String(configGeneration),
              String(revision),
              age(session.io.nowMs(), commitTime),
              plain(author) || "-",
              String(maxOngoingRequests),
              configInShort(userConfig),
              current ? "current" : "",
            ]),
          );
        return exitCodes.done;
      }),
    );
};

const configCharsMax = 60;

/** The beginning of a config's JSON, on one line. */
function configInShort(config: Value | undefined): string {
  if (config === undefined) return "-";
  const text = plain(JSON.stringify(toJson(ValueSchema, config)));
  if (text.length <= configCharsMax) return text;
  // Cut by characters, which may be two units of UTF-16.
  return `${[...text.slice(0, 2 * configCharsMax)].slice(0, configCharsMax - 1).join("")}…`;
}
