import { existsSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, isAbsolute, join, resolve } from "node:path";
import { create } from "@bufbuild/protobuf";
import { type DeploymentSpec, type RuntimeEnv, RuntimeEnvSchema } from "../../gen/drover/v1/deployment_pb.ts";
import { objectOf } from "../program/npm-lockfile.ts";
import { BundleError, inCommandLine, type OptionNames } from "./bundle-error.ts";
import { bundleFolder, pathInside } from "./bundle-folder.ts";
import type { ReadBundle } from "./send-bundle.ts";

/** The lockfiles of each language, the first that is there counts. */
const lockfiles = { node: ["package-lock.json"], python: ["uv.lock", "pylock.toml", "requirements.txt"] } as const;

/**
 * The folder that holds the files of a spec's program; its paths are absolute. `given`: the folder
 * that the user named. Undefined: the spec has a bundle, or names no file. Fails with a `BundleError`.
 */
export function folderOfSpec(spec: DeploymentSpec, given: string | undefined, names = inCommandLine): string | undefined {
  if (spec.runtimeEnv?.bundle) return undefined;
  const kind = spec.program?.kind;
  if (kind?.case === "module") {
    const { path } = kind.value;
    if (statSync(path, { throwIfNoEntry: false })?.isFile() === true) return bundleFolder(dirname(path), given, names);
    const remedy = `correct the path, or deploy a path of the controller's machine with ${names.noBundle}`;
    throw new BundleError(`the program ${path} ${existsSync(path) ? "is no file" : "is not on this machine"}: ${remedy}`);
  }
  const folder = spec.runtimeEnv?.workingDir;
  if (kind?.case !== "command" || !folder) return undefined;
  if (given === undefined && !kind.value.argv.some((argument, at) => isFileIn(folder, argument, at === 0))) return undefined;
  return bundleFolder(folder, given, names);
}

/**
 * Whether an argument names a file below the folder. The program itself is searched for on the PATH
 * where it has no slash.
 */
function isFileIn(folder: string, argument: string, isProgram: boolean): boolean {
  if (argument === "" || /^[/-]|\0/.test(argument) || (isProgram && !argument.includes("/"))) return false;
  const path = resolve(folder, argument);
  if (pathInside(folder, path) === undefined) return false;
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}

/**
 * Makes the paths of a spec that names a bundle itself those inside it, where they are absolute: its
 * files are those of the folder that would be sent. Fails with a `BundleError`.
 */
export function placeInOwnBundle(spec: DeploymentSpec, given: string | undefined, names = inCommandLine): void {
  const { runtimeEnv: environment, program } = spec;
  if (!environment?.bundle || program?.kind.case !== "module" || !isAbsolute(program.kind.value.path)) return;
  const folder = bundleFolder(dirname(program.kind.value.path), given, names);
  program.kind.value.path = pathInside(folder, program.kind.value.path) ?? "";
  environment.workingDir = workingDirIn(folder, environment, names);
}

/** How a spec gets its bundle. */
export interface IntoBundle {
  /** Of the bundle. */
  readonly digest: string;
  /** Whether the lockfile is filled in where the spec has none. */
  readonly fillLockfile: boolean;
  /** Default: those of the command line. */
  readonly names?: OptionNames;
}

/**
 * Makes the paths of a spec those inside the bundle, and names the bundle. Returns what its author
 * should know. Fails with a `BundleError`.
 */
export function putIntoBundle(
  spec: DeploymentSpec,
  { folder, files }: ReadBundle,
  { digest, fillLockfile, names = inCommandLine }: IntoBundle,
): string | undefined {
  const environment = spec.runtimeEnv ?? create(RuntimeEnvSchema);
  spec.runtimeEnv = environment;
  environment.bundle = digest;
  const paths = new Set(files.map(({ path }) => path));
  environment.workingDir = workingDirIn(folder, environment, names);
  const kind = spec.program?.kind;
  if (kind?.case === "module") {
    const path = pathInside(folder, kind.value.path) ?? "";
    if (!paths.has(path)) {
      const why = ".gitignore, .droverignore or its place in a folder that is never sent leaves it out";
      throw new BundleError(`the program ${path} would not be sent with ${folder}: ${why}`);
    }
    kind.value.path = path;
  }
  if (!fillLockfile || environment.lockfile !== "") return undefined;
  environment.lockfile = lockfileFor(spec, paths);
  const above = environment.lockfile === "" ? lockfileAbove(spec, folder) : undefined;
  if (above === undefined) return undefined;
  const remedy = `name the folder ${dirname(above)} with ${names.bundle} to send it, too`;
  return `no packages are installed: ${folder}, which is sent, has no lockfile, but its repository has ${above}: ${remedy}`;
}

/** Whether the project in a folder says that it needs no packages. */
const namesNoPackages: Readonly<Record<keyof typeof lockfiles, (folder: string) => boolean>> = {
  node: (folder) => {
    const text = textIn(folder, "package.json");
    return text !== undefined && Object.keys((objectOf(text).dependencies as object | undefined) ?? {}).length === 0;
  },
  python: (folder) => {
    const text = textIn(folder, "pyproject.toml");
    return text !== undefined && !/^\s*dependencies\s*=\s*\[\s*["']/m.test(text);
  },
};

function textIn(folder: string, name: string): string | undefined {
  try {
    return readFileSync(join(folder, name), "utf8");
  } catch {
    return undefined;
  }
}

/** The lockfile of the repository that is nearest above the folder that is sent. */
function lockfileAbove(spec: DeploymentSpec, folder: string): string | undefined {
  const [language] = startOf(spec);
  if (language === undefined || namesNoPackages[language](folder)) return undefined;
  const found: string[] = [];
  for (let at = folder; !existsSync(join(at, ".git")); ) {
    if (at === dirname(at)) return undefined; // in no repository
    at = dirname(at);
    found.push(...lockfiles[language].map((name) => join(at, name)).filter((path) => existsSync(path)));
  }
  return found[0];
}

function workingDirIn(folder: string, { workingDir }: RuntimeEnv, names: OptionNames): string {
  const inside = workingDir === "" ? "" : pathInside(folder, workingDir);
  if (inside !== undefined) return inside;
  const remedy = `send a folder that has it with ${names.bundle}, or use the paths of the controller's machine with ${names.noBundle}`;
  throw new BundleError(`runtime_env.working_dir: ${workingDir} is not in ${folder}, which is sent: ${remedy}`);
}

/** The nearest lockfile of the program's language, at or above its folder. Empty: there is none. */
function lockfileFor(spec: DeploymentSpec, paths: ReadonlySet<string>): string {
  const [language, start] = startOf(spec);
  if (language === undefined) return "";
  for (let at = start; ; at = dirname(at)) {
    const found = lockfiles[language].map((name) => join(at, name)).find((path) => paths.has(path));
    if (found !== undefined || at === ".") return found ?? "";
  }
}

/** A program's language, and the folder of the bundle that its lockfile is searched from. */
function startOf({ program, runtimeEnv }: DeploymentSpec): readonly [keyof typeof lockfiles | undefined, string] {
  const kind = program?.kind;
  if (kind?.case === "module") return [kind.value.path.endsWith(".py") ? "python" : "node", dirname(kind.value.path)];
  return [languageOf(kind?.value?.argv[0] ?? ""), runtimeEnv?.workingDir || "."];
}

function languageOf(program: string): keyof typeof lockfiles | undefined {
  const name = basename(program);
  if (name === "node" || name === "npx" || name === "npm") return "node";
  return /^python[\d.]*$/.test(name) ? "python" : undefined;
}
