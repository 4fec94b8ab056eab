import { exitCodes, usage } from "../cli-error.ts";
import { type AddCommand, appOption, examples, type Format, outputOption, readInteger } from "../command.ts";
import { printLogs } from "../print-logs.ts";
import { allDeployments } from "./list.ts";

interface LogsFlags {
  readonly app?: string;
  readonly replica?: string;
  readonly tail?: number;
  readonly follow?: boolean;
  readonly timestamps?: boolean;
  readonly output: Format;
}

const tailMax = 10_000;
/** The most deployments of one command: as many as one `Apply` deploys. */
const namesMax = 500;

/** `drover logs`: what replicas print. */
export const addLogs: AddCommand = (program, act) => {
  program
    .command("logs")
    .description("show what the replicas of deployments print")
    .argument("[name...]", "the deployments")
    .addOption(appOption())
    .option("--replica <id>", "only this replica")
    .option("-n, --tail <lines>", "how many of the last lines of each to begin with (default: 100)", readInteger(0, tailMax))
    .option("-f, --follow", "go on with new lines until Ctrl-C")
    .option("-t, --timestamps", "begin each line with the time at which it was written")
    .addOption(outputOption())
    .addHelpText(
      "after",
      examples(
        "drover logs sentiment --follow",
        "drover logs translator summarizer --tail 20",
        "drover logs --app shop --follow",
        "drover logs sentiment --replica sentiment-x7k2p",
      ),
    )
    .action(
      act(async (session, given: readonly string[], flags: LogsFlags) => {
        const { app, replica: replicaId, tail: tailLines, follow = false, timestamps, output } = flags;
        if (given.length > 0 === (app !== undefined)) throw usage("give the names of deployments, or --app NAME");
        const names = app === undefined ? [...new Set(given)] : (await allDeployments(session, app)).map(({ spec }) => spec?.name ?? "");
        if (replicaId !== undefined && names.length > 1) throw usage("--replica: belongs to one deployment: name only that");
        if (names.length > namesMax) throw usage(`must be at most ${namesMax} deployments (got ${names.length})`);
        await printLogs(session, names, { replicaId, tailLines, follow, timestamps, output }, session.io.interrupted);
        return exitCodes.done;
      }),
    );
};
