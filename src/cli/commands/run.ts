import { existsSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { create, fromJson, type JsonValue } from "@bufbuild/protobuf";
import type { Command } from "commander";
import {
  type DeploymentSpec,
  DeploymentSpecSchema,
  ProgramSchema,
  ResourcesSchema,
  RuntimeEnvSchema,
} from "../../../gen/drover/v1/deployment_pb.ts";
import { findDefinition, importFlag, kebab, specJson } from "../../program/definition.ts";
import { CliError, exitCodes, usage } from "../cli-error.ts";
import { type AddCommand, collect, examples, readAmount, readInteger } from "../command.ts";
import { readJsonInput, reasonOf } from "../input.ts";
import type { CliIo } from "../io.ts";
import { type LoadedSpec, resolvePaths } from "../spec-file.ts";
import { type DeployFlags, deployOptions, deploySpecs } from "./deploy.ts";

interface RunFlags extends DeployFlags {
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

/** `drover run`: deploys what a module exports. */
export const addRun: AddCommand = (program, act) => {
  const command = program
    .command("run")
    .description("deploy what a module exports, in TypeScript, JavaScript or Python; or any program that serves gRPC")
    .usage("[options] <module[:export]> | [options] -- <program> [arguments]")
    .argument("<module[:export]>", "the file (.ts, .js, .py); the export, if it has several deployments; or, after --, a program")
    .argument("[arguments...]", "of the program; {listen} in one stands for the address to listen at")
    .option("--name <name>", "another name for the deployment")
    .option("--replicas <number>", "replicas wanted", readInteger(0, 10_000))
    .option("--num-cpus <number>", "CPUs a replica takes", readAmount)
    .option("--num-gpus <number>", "GPUs a replica takes", readAmount)
    .option("--max-ongoing-requests <number>", "requests a replica works on at a time", readInteger(1, 100_000))
    .option("--env <name=value>", "an environment variable of the replicas; may be repeated", readVariable)
    .option("--npm <package>", "a package of the npm registry that the replicas get; may be repeated", collect)
    .option("--pip <package>", "a Python package that the replicas get; may be repeated", collect)
    .option("--attach", "show what the replicas print until Ctrl-C, and then delete what was deployed")
    .option("--init-args <json>", "JSON object for the constructor: itself, @FILE or - for standard input");
  deployOptions(command)
    .addHelpText(
      "after",
      examples(
        "drover run sentiment.ts",
        "drover run app.ts:Translator --name fr --replicas 2",
        "drover run sentiment.ts --attach",
        "drover run app.py:Model --replicas 2",
        "drover run --name greeter -- ./greeter --listen {listen}",
      ),
    )
    .action(
      act(async (session, given: string, argv: readonly string[], flags: RunFlags, { parent }: Command) => {
        const isProgram = (parent as unknown as { rawArgs: readonly string[] }).rawArgs.includes("--");
        if (!isProgram && argv.length > 0)
          throw usage(`"${argv[0]}": a module takes no arguments; put -- before a program that is not one`);
        const loaded = isProgram ? { spec: specOfProgram([given, ...argv], session.io.cwd) } : await specOfModule(given, session.io);
        if (!loaded) return exitCodes.interrupted;
        await override(loaded.spec, flags, session.io);
        return deploySpecs(session, [{ ...loaded, file: given, lineOf: () => undefined }], flags);
      }),
    );
};

/** `app.ts:Translator` is the file and the export, unless there is a file of the whole name. */
export function splitModule(given: string, cwd: string): { readonly file: string; readonly exportName: string } {
  const match = /^(.+):([\p{ID_Start}$_][\p{ID_Continue}$]*)$/u.exec(given);
  const whole = resolve(cwd, given);
  if (!match || existsSync(whole)) return { file: whole, exportName: "" };
  return { file: resolve(cwd, match[1] ?? ""), exportName: match[2] ?? "" };
}

type DescribedProgram = Pick<LoadedSpec, "spec" | "programFiles">;

/**
 * Imports the module and returns the spec of the deployment that it exports; undefined:
 * interrupted. Throws `CliError`.
 */
async function specOfModule(given: string, io: CliIo): Promise<DescribedProgram | undefined> {
  const { file, exportName } = splitModule(given, io.cwd);
  if (!existsSync(file)) throw new CliError(`cannot run ${file}: there is no such file`);
  if (file.endsWith(".py")) return specOfPython(file, exportName, io);
  // So that a module that calls `run` itself does not deploy a second time.
  (globalThis as Record<symbol, unknown>)[importFlag] = true;
  let exports: Readonly<Record<string, unknown>> | undefined;
  try {
    exports = await untilInterrupted(import(pathToFileURL(file).href), io.interrupted);
  } catch (cause) {
    throw new CliError([`cannot import ${file}:`, ...importFailure(cause, file).split("\n"), ...(missesPackage(cause) ? [hint] : [])]);
  }
  if (!exports) return undefined;
  const found = findDefinition(exports, exportName);
  if ("error" in found) throw new CliError(`${file}: ${found.error}`);
  const spec = fromJson(DeploymentSpecSchema, specJson(found.definition, { path: file, exportName: found.exportName }) as never);
  resolvePaths(spec, dirname(file));
  return { spec };
}

/** Runs the Python file to get its spec; undefined: interrupted. Throws `CliError`. */
async function specOfPython(file: string, exportName: string, io: CliIo): Promise<DescribedProgram | undefined> {
  if (basename(file) === "drover.py") throw new CliError(`cannot run ${file}: give it another name, as it hides the SDK from itself`);
  if (io.describePython === undefined) throw new CliError("Python cannot be run here");
  const answer = await io.describePython(file, exportName);
  if (io.interrupted.aborted) return undefined;
  if ("failure" in answer)
    throw new CliError([`cannot run ${file}:`, ...answer.failure.split("\n"), ...(answer.missesModule ? [hint] : [])]);
  const described = JSON.parse(answer.stdout) as { readonly spec: JsonValue; readonly export: string; readonly files: readonly string[] };
  const spec = fromJson(DeploymentSpecSchema, described.spec);
  spec.program = create(ProgramSchema, {
    kind: { case: "command", value: { argv: ["python3", "-m", "drover.replica", file, described.export] } },
  });
  resolvePaths(spec, dirname(file));
  return { spec, programFiles: described.files };
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

/** What to do where a package is missing that perhaps only the replicas have. */
const hint =
  "import packages that only the replicas have inside the class; or deploy with YAML, which does not import the module (`drover deploy`)";

/** Whether a package was not found. Node gives the error a `url` where a file was not found. */
function missesPackage(cause: unknown): boolean {
  return cause instanceof Error && "code" in cause && cause.code === "ERR_MODULE_NOT_FOUND" && !("url" in cause);
}

/**
 * The error without its stack. A syntax error has no place in it: Node prints the place only where
 * the error is not caught.
 */
function importFailure(cause: unknown, file: string): string {
  if (!(cause instanceof Error)) return String(cause);
  const where = cause instanceof SyntaxError ? `\n\`node ${file}\` shows where` : "";
  return `${cause.name}: ${reasonOf(cause)}${where}`;
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

/** Resolves with undefined at Ctrl-C, which a module that takes long to import must not delay. */
function untilInterrupted<T>(work: Promise<T>, interrupted: AbortSignal): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    interrupted.addEventListener("abort", () => resolve(undefined), { once: true });
    work.then(resolve, reject);
  });
}
