import { fromJson, type JsonValue } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import { Option } from "commander";
import { type ReconfigureResponse, ReconfigureResponseSchema } from "../../../gen/drover/v1/controller_service_pb.ts";
import { StatusError } from "../../core/errors.ts";
import { CliError, exitCodes, usage } from "../cli-error.ts";
import { type AddCommand, examples, type Format, outputOption, readDuration, readInteger } from "../command.ts";
import { printDuration } from "../duration.ts";
import { readJsonInput } from "../input.ts";
import { printOutcomes, printRefusedOutcomes } from "../outcomes.ts";
import { messageJson, printJson } from "../print.ts";
import type { Session } from "../session.ts";
import { showWhile } from "../show-while.ts";
import { write } from "../write.ts";

interface ReconfigureFlags {
  readonly to?: number;
  readonly dryRun?: boolean;
  readonly output: Format;
  /** Milliseconds. */
  readonly timeout: number;
}

/** `drover reconfigure`: changes the config of running replicas. */
export const addReconfigure: AddCommand = (program, act) => {
  program
    .command("reconfigure")
    .description("change the user_config of all running replicas, without a restart: all of them take it, or none does")
    .argument("<name>", "the deployment")
    .argument("[config]", "the whole config: JSON, @FILE, or - for standard input")
    .option("--to <generation>", "go back to the config of this generation instead", readInteger(1, Number.MAX_SAFE_INTEGER))
    .option("--dry-run", "let every replica check the config, and change nothing")
    .addOption(outputOption())
    .addOption(new Option("--timeout <time>", "the longest to wait, for example 90s or 10m").argParser(readDuration).default(120_000, "2m"))
    .addHelpText(
      "after",
      examples(
        `drover reconfigure sentiment '{"threshold": 0.2}'`,
        "drover reconfigure sentiment @config.json --dry-run",
        "drover reconfigure sentiment --to 3",
      ),
    )
    .action(
      act(async (session, name: string, config: string | undefined, flags: ReconfigureFlags) => {
        const answer = await reconfigure(session, name, await wantedConfig(session, config, flags.to), flags);
        if (flags.output === "json") printJson(session, messageJson(ReconfigureResponseSchema, answer));
        else printAnswer(session, name, answer, flags.dryRun ?? false);
        return exitCodes.done;
      }),
    );
};

type ConfigChoice = Pick<Parameters<ReturnType<Session["controller"]>["reconfigure"]>[0], "userConfig" | "toGeneration">;

async function wantedConfig({ io }: Session, config: string | undefined, to: number | undefined): Promise<ConfigChoice> {
  if (config === undefined && to === undefined) throw usage("give a config (JSON, @FILE, or - for standard input) or --to GENERATION");
  if (config === undefined) return { toGeneration: BigInt(to ?? 0) };
  if (to !== undefined) throw usage("a config and --to exclude each other: give one of them");
  return { userConfig: fromJson(ValueSchema, (await readJsonInput(config, io, "user_config")) as JsonValue) };
}

async function reconfigure(session: Session, name: string, wanted: ConfigChoice, flags: ReconfigureFlags): Promise<ReconfigureResponse> {
  const request = { name, validateOnly: flags.dryRun ?? false, ...wanted };
  const call = write(session, (requestId, options) => session.controller().reconfigure({ ...request, requestId }, options), flags.timeout);
  try {
    return await showWhile(session, name, call);
  } catch (error) {
    if (flags.output !== "json") printRefusedOutcomes(session, error);
    throw endedEarly(session, name, error, flags);
  }
}

/** The error of a wait that ended before the change; any other error as it is. */
function endedEarly(session: Session, name: string, error: unknown, { dryRun, timeout }: ReconfigureFlags): unknown {
  const goesOn = dryRun ? [] : [`the change of ${name} may go on: \`drover configs ${name}\` shows what is in use`];
  if (session.io.interrupted.aborted) return new CliError(["interrupted", ...goesOn].join(": "), exitCodes.interrupted);
  if (!(error instanceof StatusError && error.code === "DEADLINE_EXCEEDED")) return error;
  return new CliError([`${name}: not done after ${printDuration(timeout)}`, ...goesOn]);
}

function printAnswer(session: Session, name: string, { configGeneration, replicas }: ReconfigureResponse, dryRun: boolean): void {
  printOutcomes(session, replicas);
  session.print(
    dryRun ? `${name}  all replicas accept it; nothing was changed` : `${name}  generation ${configGeneration} of user_config is in use`,
  );
}
