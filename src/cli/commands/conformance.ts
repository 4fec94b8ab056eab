import { Option } from "commander";
import type { Target } from "../../conformance/conformance.ts";
import { countsOf } from "../../conformance/outcome.ts";
import type { Means } from "../../conformance/replica-under-test.ts";
import type { MethodCall } from "../../conformance/talk.ts";
import type { Program } from "../../core/deployment.ts";
import type { Json } from "../../core/json.ts";
import { CliError, exitCodes, usage } from "../cli-error.ts";
import { type AddCommand, examples, type Format, outputOption, readDuration, readInteger } from "../command.ts";
import { countsLine, reportJson, verdictLines } from "../conformance-report.ts";
import { readJsonInput } from "../input.ts";
import { plain } from "../plain-text.ts";
import { printJson } from "../print.ts";
import { splitModule } from "../program-file.ts";
import type { Session } from "../session.ts";

interface ConformanceFlags {
  readonly module?: string;
  readonly address?: string;
  readonly token?: string;
  readonly tcp?: boolean;
  readonly method?: string;
  readonly input?: string;
  readonly slowMethod?: string;
  readonly slowInput?: string;
  readonly streamMethod?: string;
  readonly streamInput?: string;
  readonly userConfig?: string;
  readonly badUserConfig?: string;
  readonly initArgs?: string;
  readonly maxOngoingRequests: number;
  readonly output: Format;
  /** Milliseconds. */
  readonly timeout: number;
}

/** The identity in the environment of the program. */
const identity = { deployment: "conformance", replicaId: "conformance-1", revision: 7 };
const jsonHint = "JSON, @FILE, or - for standard input";

/** `drover conformance`: checks a program against the contract of a replica. */
export const addConformance: AddCommand = (program, act) => {
  program
    .command("conformance")
    .description("check, sentence by sentence, whether a program keeps what Drover expects of a replica; needs no controller")
    .argument("[command...]", "after --: the program and its arguments; {listen} stands for the address")
    .option("--module <module[:export]>", "check what a module exports instead (.ts, .js, .py)")
    .option("--address <address>", "check a replica that runs already (unix:/path or host:port); it is drained in the end")
    .option("--token <token>", "the token of that replica")
    .option("--tcp", "start the program once more, at a free port of 127.0.0.1")
    .option("--method <name>", "a method that Invoke can call and that answers quickly")
    .option("--input <json>", `its input: ${jsonHint}`)
    .option("--slow-method <name>", "a method that takes a second or two, and ends when its caller leaves")
    .option("--slow-input <json>", `its input: ${jsonHint}`)
    .option("--stream-method <name>", "a method that returns a stream of results")
    .option("--stream-input <json>", `its input: ${jsonHint}`)
    .option("--user-config <json>", `a user_config that it takes: ${jsonHint}`)
    .option("--bad-user-config <json>", `a user_config that it refuses: ${jsonHint}`)
    .option("--init-args <json>", `JSON object for its DROVER_INIT_ARGS: ${jsonHint}`)
    .option("--max-ongoing-requests <number>", "its DROVER_MAX_ONGOING_REQUESTS", readInteger(1, 100), 2)
    .addOption(outputOption("text"))
    .addOption(
      new Option("--timeout <time>", "the longest that a start or a method may take").argParser(readDuration).default(60_000, "60s"),
    )
    .addHelpText("after", helpText)
    .action(
      act(async (session, argv: readonly string[], flags: ConformanceFlags) => {
        const target = await targetOf(session, argv, flags);
        return report(session, target, await meansOf(session, flags), flags);
      }),
    );
};

const helpText = `
Sentences that need a method or a config that is not given are not checked, and the report says so.
A program may leave out drover.replica.v1.ReplicaService, drover.v1.InvokeService or both; then only the rest is checked. Exit code: 0, or 1 if a sentence does not hold.
${examples(
  "drover conformance -- ./my-replica",
  `drover conformance --method echo --input '{"a": 1}' --slow-method sleep --slow-input 1500 -- python3 app.py --listen {listen}`,
  `drover conformance --module app.ts:Translator --user-config '{"to": "fr"}' --bad-user-config '{"to": 1}'`,
)}`;

async function report(session: Session, target: Target, means: Means, { output, timeout }: ConformanceFlags): Promise<number> {
  // Imported here, so that other commands do not load it.
  const { checkConformance } = await import("../../conformance/conformance.ts");
  const { testbed, interrupted: signal } = session.io;
  if (testbed === undefined) throw new CliError("programs cannot be started here");
  const options = { target, means, timeoutMs: timeout, testbed, nowMs: () => session.io.nowMs(), signal };
  const { verdicts, stderr, trouble } = await checkConformance(options);
  if (output === "json") printJson(session, reportJson(verdicts, stderr));
  else {
    for (const line of verdictLines(verdicts, session.colors)) session.print(line);
    if (stderr.length > 0)
      session.print(["the last lines of its standard error:", ...stderr.map((line) => `  ${plain(line)}`), ""].join("\n"));
    session.print(countsLine(verdicts));
  }
  const { fails } = countsOf(verdicts);
  if (fails === 0 && trouble !== undefined) throw new CliError(`the check did not reach its end: ${trouble}`);
  return fails === 0 ? exitCodes.done : exitCodes.failed;
}

async function targetOf({ io }: Session, argv: readonly string[], flags: ConformanceFlags): Promise<Target> {
  const ways = [argv.length > 0, flags.module !== undefined, flags.address !== undefined].filter(Boolean).length;
  if (ways !== 1) throw usage("give one of: a command after --, --module, --address", "`drover conformance --help` shows examples");
  if (flags.token !== undefined && flags.address === undefined) throw usage("--token is for a replica that runs already: give --address");
  if (flags.address !== undefined) {
    if (flags.tcp) throw usage("--tcp starts a program: it does not go with --address");
    if (flags.initArgs !== undefined) throw usage("--init-args are given to a program that is started: they do not go with --address");
    if (!/^unix:.|^[^/]+:\d{1,5}$/.test(flags.address)) throw usage(`--address "${flags.address}": must be unix:/path or host:port`);
    return { kind: "address", address: flags.address, token: flags.token ?? "" };
  }
  const { file, exportName } = splitModule(flags.module ?? "", io.cwd);
  const runs: Program = flags.module === undefined ? { kind: "command", argv } : { kind: "module", path: file, exportName };
  const initArgs = (await given("--init-args", flags.initArgs, io)) ?? {};
  if (typeof initArgs !== "object" || initArgs === null || Array.isArray(initArgs)) throw usage("--init-args: must be a JSON object");
  const program = {
    ...identity,
    program: runs,
    workingDir: io.cwd,
    initArgs: JSON.stringify(initArgs),
    maxOngoingRequests: flags.maxOngoingRequests,
    token: "conformance-token",
  };
  return { kind: "program", program, tcp: flags.tcp ?? false };
}

async function meansOf({ io }: Session, flags: ConformanceFlags): Promise<Means> {
  const call = async (name: string, method: string | undefined, input: string | undefined): Promise<MethodCall | undefined> => {
    if (method === undefined && input !== undefined) throw usage(`--${name}input is the input of a method: give --${name}method`);
    return method === undefined ? undefined : { method, input: await given(`--${name}input`, input, io) };
  };
  return {
    method: await call("", flags.method, flags.input),
    slowMethod: await call("slow-", flags.slowMethod, flags.slowInput),
    streamMethod: await call("stream-", flags.streamMethod, flags.streamInput),
    userConfig: await given("--user-config", flags.userConfig, io),
    badUserConfig: await given("--bad-user-config", flags.badUserConfig, io),
    ongoingMax: flags.maxOngoingRequests,
  };
}

/** The JSON value of an option. */
async function given(option: string, text: string | undefined, io: Session["io"]): Promise<Json | undefined> {
  if (text === undefined) return undefined;
  try {
    return await readJsonInput(text, io, option);
  } catch (cause) {
    if (!(cause instanceof CliError)) throw cause;
    throw new CliError([`${option}: ${cause.lines[0]}`, ...cause.lines.slice(1)], cause.exitCode);
  }
}
