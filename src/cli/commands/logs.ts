import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import { LogStream, WatchLogsResponseSchema } from "../../../gen/drover/v1/controller_service_pb.ts";
import { exitCodes } from "../cli-error.ts";
import { type AddCommand, examples, type Format, outputOption, readInteger } from "../command.ts";
import { messageJson } from "../print.ts";
import type { Colors } from "../session.ts";

interface LogsFlags {
  readonly replica?: string;
  readonly tail?: number;
  readonly follow?: boolean;
  readonly timestamps?: boolean;
  readonly output: Format;
}

const tailMax = 10_000;

/** `drover logs`: what replicas print. */
export const addLogs: AddCommand = (program, act) => {
  program
    .command("logs")
    .description("show what the replicas of a deployment print")
    .argument("<name>", "the deployment")
    .option("--replica <id>", "only this replica")
    .option("-n, --tail <lines>", "how many of the last lines of each to begin with (default: 100)", readInteger(0, tailMax))
    .option("-f, --follow", "go on with new lines until Ctrl-C")
    .option("-t, --timestamps", "begin each line with the time at which it was written")
    .addOption(outputOption())
    .addHelpText("after", examples("drover logs sentiment --follow", "drover logs sentiment --replica sentiment-x7k2p --tail 20"))
    .action(
      act(async (session, name: string, flags: LogsFlags) => {
        const { replica: replicaId = "", tail: tailLines, follow = false } = flags;
        const request = { name, replicaId, follow, ...(tailLines === undefined ? {} : { tailLines }) };
        const raw = session.io.stdout.isTTY === true;
        for await (const line of session.controller().watchLogs(request, { signal: session.io.interrupted })) {
          if (flags.output === "json") session.print(JSON.stringify(messageJson(WatchLogsResponseSchema, line)));
          else {
            const text = line.stream === LogStream.STDERR && raw ? session.colors.dim(line.line) : line.line;
            const time = flags.timestamps ? `${session.colors.dim(timeOf(line.writeTime))}  ` : "";
            session.print(`${time}${colorOf(line.replicaId, session.colors)(line.replicaId)}  ${text}`);
          }
        }
        return exitCodes.done;
      }),
    );
};

/** The time of a line; where it is not known, `-` in the same width. */
const timeOf = (time: Timestamp | undefined): string => (time === undefined ? "-" : timestampDate(time).toISOString()).padEnd(24);

/** The same colour for the same replica, always. */
function colorOf(replicaId: string, colors: Colors): (text: string) => string {
  const palette = [colors.cyan, colors.magenta, colors.yellow, colors.green, colors.blue];
  const sum = [...replicaId].reduce((hash, letter) => (hash * 31 + (letter.codePointAt(0) ?? 0)) >>> 0, 0);
  return palette[sum % palette.length] ?? colors.cyan;
}
