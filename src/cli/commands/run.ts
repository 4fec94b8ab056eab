import { basename, dirname } from "node:path";
import { create } from "@bufbuild/protobuf";
import type { Command } from "commander";
import { type DeploymentSpec, DeploymentSpecSchema, ResourcesSchema, RuntimeEnvSchema } from "../../../gen/drover/v1/deployment_pb.ts";
import { BundleError } from "../../bundle/bundle-error.ts";
import { bundleFolder } from "../../bundle/bundle-folder.ts";
import { folderOfSpec } from "../../bundle/put-into-bundle.ts";
import { kebab } from "../../program/definition.ts";
import { treeLines } from "../application-tree.ts";
import { CliError, exitCodes, usage } from "../cli-error.ts";
import { type AddCommand, collect, examples, readAmount, readInteger } from "../command.ts";
import { readJsonInput } from "../input.ts";
import type { CliIo } from "../io.ts";
import { describeFile, describeFileNow, expectFile, type ProgramFile, readBuilderArgs, splitModule } from "../program-file.ts";
import type { Session } from "../session.ts";
import { resolvePaths } from "../spec-file.ts";
import { checkWatchFlags, type RunSpecs, type WatchSource, watchProgram } from "../watched-program.ts";
import { type DeployFlags, deployOptions, deploySpecs } from "./deploy.ts";

interface RunFlags extends DeployFlags {
  /** Deploy again at each save. */
  readonly watch?: boolean;
  readonly name?: string;
  readonly replicas?: number;
  readonly numCpus?: number;
  readonly numGpus?: number;
  readonly maxOngoingRequests?: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly npm?: readonly string[];
  readonly pip?: readonly string[];
  readonly initArgs?: string;
}

/** `drover run`: deploys what a module exports, a deployment or an application. */
export const addRun: AddCommand = (program, act) => {
  const command = program
    .command("run")
    .description("deploy what a module exports, in TypeScript, JavaScript or Python; or any program that serves gRPC")
    .usage("[options] <module[:export]> [name=value...] | [options] -- <program> [arguments]")
    .argument("<module[:export]>", "the file (.ts, .js, .py); an export, if it has several; or, after --, a program")
    .argument("[arguments...]", "of the function that builds the application; or of the program: {listen} is the address to listen at")
    .option("--name <name>", "another name for the deployment")
    .option("--replicas <number>", "replicas wanted", readInteger(0, 10_000))
    .option("--num-cpus <number>", "CPUs a replica takes", readAmount)
    .option("--num-gpus <number>", "GPUs a replica takes", readAmount)
    .option("--max-ongoing-requests <number>", "requests a replica works on at a time", readInteger(1, 100_000))
    .option("--env <name=value>", "an environment variable of the replicas; may be repeated", readVariable)
    .option("--npm <package>", "a package of the npm registry that the replicas get; may be repeated", collect)
    .option("--pip <package>", "a Python package that the replicas get; may be repeated", collect)
    .option("--attach", "show what the replicas print until Ctrl-C, and then delete what was deployed")
    .option("--watch", "deploy again at each save, and show what becomes of it and what the replicas print, until Ctrl-C")
    .option("--init-args <json>", "JSON object for the constructor: itself, @FILE or - for standard input");
  deployOptions(command)
    .addHelpText(
      "after",
      examples(
        "drover run sentiment.ts",
        "drover run app.ts:Translator --name fr --replicas 2",
        "drover run sentiment.ts --attach",
        "drover run sentiment.ts --watch",
        "drover run app.py:Model --replicas 2",
        "drover run app.py:build model=large",
        "drover run --name greeter -- ./greeter --listen {listen}",
      ),
    )
    .action(
      act(async (session, given: string, argv: readonly string[], flags: RunFlags, { parent }: Command) => {
        const isProgram = (parent as unknown as { rawArgs: readonly string[] }).rawArgs.includes("--");
        if (flags.watch) return watchProgram(session, await sourceOf(session, given, argv, isProgram, flags), flags);
        const found = isProgram
          ? commandFile([given, ...argv], session.io.cwd)
          : await describeFile(splitModule(given, session.io.cwd), readBuilderArgs(argv), session.io);
        if (!found) return exitCodes.interrupted;
        const specs = await specsOf(session, given, found, flags);
        const isGraph = found.application !== undefined;
        if (isGraph && flags.output !== "json") for (const line of treeLines(specs.flags.app, found.deployments)) session.print(line);
        return deploySpecs(session, specs.loaded, specs.flags);
      }),
    );
};

const commandFile = (argv: readonly string[], cwd: string): ProgramFile => ({
  deployments: [{ spec: specOfProgram(argv, cwd), uses: [] }],
});

/** The specs with what the flags say. */
async function specsOf(session: Session, given: string, found: ProgramFile, flags: RunFlags): Promise<RunSpecs> {
  refuseOfOne(given, found, flags);
  const { deployments, application, programFiles } = found;
  for (const { spec } of deployments) await override(spec, flags, session.io);
  const loaded = deployments.map(({ spec }) => ({ spec, file: given, programFiles, lineOf: () => undefined }));
  // A deployment alone is not all of its application.
  return { loaded, flags: application === undefined ? flags : { ...flags, app: flags.app ?? application, prune: true } };
}

/** What `--watch` deploys. */
async function sourceOf(
  session: Session,
  given: string,
  argv: readonly string[],
  isProgram: boolean,
  flags: RunFlags,
): Promise<WatchSource> {
  checkWatchFlags(flags);
  const { io } = session;
  const specs = (found: ProgramFile) => specsOf(session, given, found, flags);
  if (isProgram) {
    const folderOf = ({ loaded: [first] }: RunSpecs) => first && folderToWatch(() => folderOfSpec(first.spec, flags.bundle || undefined));
    const read = () => specs(commandFile([given, ...argv], io.cwd));
    const folder = folderOf(await read());
    if (folder === undefined) throw usage("--watch: no argument names a file below this folder: name the folder to send with --bundle");
    const readWhole = async () => {
      const found = await read();
      if (folderOf(found) === undefined) throw new CliError(`no argument of ${given} names a file below ${io.cwd} now`);
      // Named, as without its file the command would be deployed without a bundle.
      return { ...found, flags: { ...found.flags, bundle: folder } };
    };
    return { folder, specs: readWhole, prepare: () => {}, close: () => {} };
  }
  const place = splitModule(given, io.cwd);
  const args = readBuilderArgs(argv);
  const describer = io.openDescriber?.(place.file);
  if (describer === undefined) throw new CliError("--watch: no process can be started here");
  return {
    folder: folderToWatch(() => bundleFolder(dirname(expectFile(place.file)), flags.bundle || undefined)),
    specs: async (signal) => specs(await describeFileNow(place, args, describer, signal)),
    prepare: () => describer.prepare(),
    close: () => describer.close(),
  };
}

function folderToWatch<T>(find: () => T): T {
  try {
    return find();
  } catch (cause) {
    throw cause instanceof BundleError ? usage(cause.message) : cause;
  }
}

/** Those options that only one deployment can have. */
const ofOne = ["name", "replicas", "numCpus", "numGpus", "maxOngoingRequests", "initArgs"] as const;

function refuseOfOne(given: string, { deployments }: ProgramFile, flags: RunFlags): void {
  const flag = ofOne.find((name) => flags[name] !== undefined);
  if (flag === undefined || deployments.length === 1) return;
  const option = `--${flag.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  throw usage(
    `${option}: is of one deployment, and ${given} has ${deployments.length}: write it in the code, or in YAML`,
    `\`drover build ${given} > app.yaml\` makes the YAML, \`drover deploy app.yaml\` deploys it`,
  );
}

/** The spec of a program in any language. */
function specOfProgram(argv: readonly string[], cwd: string): DeploymentSpec {
  const spec = create(DeploymentSpecSchema, {
    name: kebab(basename(argv[0] ?? "").replace(/\.\w+$/, "")),
    program: { kind: { case: "command", value: { argv: [...argv] } } },
  });
  resolvePaths(spec, cwd);
  return spec;
}

async function override(spec: DeploymentSpec, flags: RunFlags, io: CliIo): Promise<void> {
  if (flags.name !== undefined) spec.name = flags.name;
  if (flags.replicas !== undefined) {
    spec.numReplicas = flags.replicas;
    delete spec.autoscalingConfig;
  }
  if (flags.maxOngoingRequests !== undefined) spec.maxOngoingRequests = flags.maxOngoingRequests;
  const { numCpus, numGpus } = flags;
  if (numCpus !== undefined || numGpus !== undefined)
    spec.resources = Object.assign(spec.resources ?? create(ResourcesSchema), {
      ...(numCpus === undefined ? {} : { numCpus }),
      ...(numGpus === undefined ? {} : { numGpus }),
    });
  const { env, npm = [], pip = [] } = flags;
  if (env !== undefined || npm.length > 0 || pip.length > 0) {
    spec.runtimeEnv ??= create(RuntimeEnvSchema);
    Object.assign(spec.runtimeEnv.envVars, env);
    spec.runtimeEnv.npm.push(...npm);
    spec.runtimeEnv.pip.push(...pip);
  }
  if (flags.initArgs !== undefined) {
    const args = await readJsonInput(flags.initArgs, io, "init_args");
    if (typeof args !== "object" || args === null || Array.isArray(args)) throw usage("--init-args: must be a JSON object");
    spec.initArgs = args as NonNullable<DeploymentSpec["initArgs"]>;
  }
}

function readVariable(text: string, before: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> {
  const at = text.indexOf("=");
  if (at < 1) throw usage(`--env "${text}": must be NAME=VALUE`);
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}
