import { existsSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { fromJson } from "@bufbuild/protobuf";
import { type DeploymentSpec, DeploymentSpecSchema } from "../../gen/drover/v1/deployment_pb.ts";
import type { Json, JsonObject } from "../core/json.ts";
import { describeProgram } from "../program/application.ts";
import { importFlag } from "../program/definition.ts";
import { isMissingPackage } from "../program/missing-package.ts";
import { CliError, usage } from "./cli-error.ts";
import { InexactJson, parseExactJson } from "./exact-json.ts";
import { reasonOf } from "./input.ts";
import type { CliIo, ProgramDescriber } from "./io.ts";
import { resolvePaths } from "./spec-file.ts";

/** What a file deploys: one deployment, or those of an application, its root first. */
export interface ProgramFile {
  /** The name of the application; undefined: the deployment belongs to none. */
  readonly application?: string;
  readonly deployments: readonly DescribedDeployment[];
  /** The files that the program itself named, for its version without a bundle. */
  readonly programFiles?: readonly string[];
}

/** A deployment, and the names of those that it calls. */
export interface DescribedDeployment {
  readonly spec: DeploymentSpec;
  readonly uses: readonly string[];
}

/** The place of a program in a file. */
export interface ProgramPlace {
  readonly file: string;
  /** Empty: what the file deploys without a name. */
  readonly exportName: string;
}

/** `app.ts:Translator` is the file and the export, unless there is a file of the whole name. */
export function splitModule(given: string, cwd: string): ProgramPlace {
  const match = /^(.+):([\p{ID_Start}$_][\p{ID_Continue}$]*)$/u.exec(given);
  const whole = resolve(cwd, given);
  if (!match || existsSync(whole)) return { file: whole, exportName: "" };
  return { file: resolve(cwd, match[1] ?? ""), exportName: match[2] ?? "" };
}

/** The arguments of a builder, `size=3 model=large`: a value is JSON, or else text. */
export function readBuilderArgs(given: readonly string[]): JsonObject | undefined {
  if (given.length === 0) return undefined;
  return Object.fromEntries(
    given.map((text) => {
      const at = text.indexOf("=");
      if (at < 1) {
        const program = "put -- before a program that is no module";
        throw usage(`"${text}": must be NAME=VALUE, an argument of the function that builds the application`, program);
      }
      return [text.slice(0, at), readValue(text.slice(at + 1), text.slice(0, at))];
    }),
  );
}

function readValue(text: string, name: string): Json {
  try {
    return parseExactJson(text, name);
  } catch (cause) {
    if (cause instanceof InexactJson) throw usage(`not JSON that arrives as it is: ${cause.message}`);
    return text;
  }
}

/**
 * Imports the module, or runs the Python file, and returns what it deploys; undefined: interrupted.
 * Throws `CliError`.
 */
export async function describeFile(place: ProgramPlace, args: JsonObject | undefined, io: CliIo): Promise<ProgramFile | undefined> {
  const { file } = place;
  expectFile(file);
  return file.endsWith(".py") ? describePythonFile(place, args, io) : describeModule(place, args, io);
}

async function describePythonFile(place: ProgramPlace, args: JsonObject | undefined, io: CliIo): Promise<ProgramFile | undefined> {
  const describer = io.openDescriber?.(place.file);
  if (describer === undefined) throw new CliError("Python cannot be run here");
  try {
    return await describeFileNow(place, args, describer, io.interrupted);
  } catch (error) {
    if (io.interrupted.aborted) return undefined;
    throw error;
  } finally {
    describer.close();
  }
}

/**
 * As `describeFile`, but of the files as they are now, however often they were described before.
 * Fails where the signal aborts.
 */
export async function describeFileNow(
  { file, exportName }: ProgramPlace,
  args: JsonObject | undefined,
  describer: ProgramDescriber,
  signal: AbortSignal,
): Promise<ProgramFile> {
  expectFile(file);
  const answer = await describer.describe([file, exportName, args === undefined ? "" : JSON.stringify(args)], signal);
  if ("failure" in answer) throw cannotRun(file, answer);
  return file.endsWith(".py") ? pythonProgram(file, answer.stdout) : moduleProgram(file, JSON.parse(answer.stdout));
}

/** The file, where it is there and may be described. Throws a `CliError`. */
export function expectFile(file: string): string {
  if (basename(file) === "drover.py") throw new CliError(`cannot run ${file}: give it another name, as it hides the SDK from itself`);
  if (existsSync(file)) return file;
  const meant = [".py", ".ts", ".js"].map((ending) => `${file}${ending}`).find(existsSync);
  throw new CliError(`cannot run ${file}: there is no such file${meant === undefined ? "" : `; do you mean ${meant}?`}`);
}

function cannotRun(file: string, { failure, missesModule }: { readonly failure: string; readonly missesModule: boolean }): CliError {
  return new CliError([`cannot run ${file}:`, ...failure.split("\n"), ...(missesModule ? [hint] : [])]);
}

async function describeModule(
  { file, exportName }: ProgramPlace,
  args: JsonObject | undefined,
  io: CliIo,
): Promise<ProgramFile | undefined> {
  // So that a module that calls `run` itself does not deploy a second time.
  (globalThis as Record<symbol, unknown>)[importFlag] = true;
  await io.findDrover?.();
  const describe = async () => describeProgram(await import(pathToFileURL(file).href), exportName, file, args);
  let described: Awaited<ReturnType<typeof describeProgram>> | undefined;
  try {
    described = await untilInterrupted(describe(), io.interrupted);
  } catch (cause) {
    throw new CliError([`cannot import ${file}:`, ...importFailure(cause, file).split("\n"), ...(isMissingPackage(cause) ? [hint] : [])]);
  }
  if (described === undefined) return undefined;
  if ("error" in described) throw new CliError(`${file}: ${described.error}`);
  return moduleProgram(file, described);
}

function moduleProgram(file: string, { parts, ...application }: ModuleDescription): ProgramFile {
  const deployments = parts.map(({ spec, uses }) => {
    const message = fromJson(DeploymentSpecSchema, spec as never);
    resolvePaths(message, dirname(file));
    return { spec: message, uses };
  });
  return { ...application, deployments };
}

/** What `describeProgram` returns of a module that deploys something. */
type ModuleDescription = Exclude<Awaited<ReturnType<typeof describeProgram>>, { readonly error: string }>;

/** What `drover.describe` of the Python SDK prints. */
interface PythonDescription {
  readonly application: string | null;
  readonly deployments: readonly { readonly spec: JsonObject; readonly export: string; readonly uses: readonly string[] }[];
  readonly files: readonly string[];
}

function pythonProgram(file: string, stdout: string): ProgramFile {
  const { application, deployments, files } = JSON.parse(stdout) as PythonDescription;
  return {
    ...(application !== null && { application }),
    programFiles: files,
    deployments: deployments.map(({ spec, export: found, uses }) => {
      const message = fromJson(DeploymentSpecSchema, { ...spec, program: { module: { path: file, export_name: found } } } as never);
      resolvePaths(message, dirname(file));
      return { spec: message, uses };
    }),
  };
}

/** What to do where a package is missing that perhaps only the replicas have. */
const hint =
  "install it here, import packages that only the replicas have inside the class, or deploy with YAML, which needs no import (`drover deploy`)";

/**
 * The error without its stack. A syntax error has no place in it: Node prints the place only where
 * the error is not caught.
 */
function importFailure(cause: unknown, file: string): string {
  if (!(cause instanceof Error)) return String(cause);
  const where = cause instanceof SyntaxError ? `\n\`node ${file}\` shows where` : "";
  return `${cause.name}: ${reasonOf(cause)}${where}`;
}

/** Resolves with undefined at Ctrl-C, which a module that takes long to import must not delay. */
function untilInterrupted<T>(work: Promise<T>, interrupted: AbortSignal): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    interrupted.addEventListener("abort", () => resolve(undefined), { once: true });
    work.then(resolve, reject);
  });
}
