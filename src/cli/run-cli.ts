import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { CliError, exitCodes } from "./cli-error.ts";
import type { Act, AddCommand } from "./command.ts";
import { addBuild } from "./commands/build.ts";
import { addBundle } from "./commands/bundle.ts";
import { addCluster } from "./commands/cluster.ts";
import { addConfigs } from "./commands/configs.ts";
import { addConformance } from "./commands/conformance.ts";
import { addDelete } from "./commands/delete.ts";
import { addDeploy } from "./commands/deploy.ts";
import { addExplain } from "./commands/explain.ts";
import { addGet } from "./commands/get.ts";
import { addInvoke } from "./commands/invoke.ts";
import { addList } from "./commands/list.ts";
import { addLogs } from "./commands/logs.ts";
import { addPause } from "./commands/pause.ts";
import { addReconfigure } from "./commands/reconfigure.ts";
import { addReplicas } from "./commands/replicas.ts";
import { addResume } from "./commands/resume.ts";
import { addRevisions } from "./commands/revisions.ts";
import { addRollback } from "./commands/rollback.ts";
import { addRun } from "./commands/run.ts";
import { addScale } from "./commands/scale.ts";
import { addSimulate } from "./commands/simulate.ts";
import { addStart } from "./commands/start.ts";
import { addStatus } from "./commands/status.ts";
import { failureLines } from "./failure.ts";
import type { CliIo } from "./io.ts";
import { Session } from "./session.ts";

const commands: readonly AddCommand[] = [
  addStart,
  addDeploy,
  addRun,
  addBuild,
  addStatus,
  addExplain,
  addList,
  addGet,
  addReplicas,
  addLogs,
  addInvoke,
  addScale,
  addSimulate,
  addReconfigure,
  addConfigs,
  addRevisions,
  addBundle,
  addRollback,
  addPause,
  addResume,
  addDelete,
  addCluster,
  addConformance,
];

/**
 * Runs one command line (without `node drover`) and returns the exit code: 0 done, 1 failed, 2
 * wrong usage, 130 interrupted. Never throws.
 */
export async function runCli(argv: readonly string[], io: CliIo): Promise<number> {
  let exitCode: number = exitCodes.done;
  let session: Session | undefined;
  const act: Act =
    (run) =>
    async (...given) => {
      const command = given.at(-1) as Command;
      session = new Session(io, command.optsWithGlobals(), deploymentOf(command));
      exitCode = await run(session, ...(given as never));
    };
  try {
    await createProgram(io, act).parseAsync([...argv], { from: "user" });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
    return report(error, io, session);
  } finally {
    session?.close();
  }
}

function createProgram(io: CliIo, act: Act): Command {
  const program = new Command("drover")
    .description("Deployments of replicas over gRPC: roll out, scale, share resources.")
    .version(packageVersion())
    .option("--api <host:port>", "the controller API (DROVER_API; default 127.0.0.1:9001)")
    .option("--gateway <host:port>", "the gateway (DROVER_GATEWAY; default 127.0.0.1:9000)")
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
      getOutHelpWidth: () => io.stdout.columns ?? 100,
      getErrHelpWidth: () => io.stderr.columns ?? 100,
    })
    .exitOverride();
  for (const add of commands) add(program, act);
  return program;
}

/** The value of the argument `<name>`. */
function deploymentOf({ registeredArguments, args }: Command): string | undefined {
  return args[registeredArguments.findIndex((argument) => argument.name() === "name" && !argument.variadic)];
}

function report(error: unknown, io: CliIo, session: Session | undefined): number {
  // A call that Ctrl-C ended prints nothing; a wait has its own message.
  if (io.interrupted.aborted && !(error instanceof CliError)) return exitCodes.interrupted;
  const [first = "failed", ...more] = failureLines(error, session?.called);
  const label = session ? session.errorColors.red("error:") : "error:";
  io.stderr.write(`${[`${label} ${first}`, ...more.map((line) => `  ${line}`)].join("\n")}\n`);
  return error instanceof CliError ? error.exitCode : exitCodes.failed;
}

/** From the package.json above this file, which is two folders up in `src` and three in `dist`. */
function packageVersion(): string {
  for (const up of ["../../package.json", "../../../package.json"]) {
    try {
      const { name, version } = JSON.parse(readFileSync(new URL(up, import.meta.url), "utf8")) as { name?: string; version?: string };
      if (name === "drover" && version) return version;
    } catch {
      // Not there: try one folder further up.
    }
  }
  return "unknown";
}
