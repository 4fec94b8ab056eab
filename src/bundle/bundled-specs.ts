import { existsSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { create } from "@bufbuild/protobuf";
import { type DeploymentSpec, RuntimeEnvSchema } from "../../gen/drover/v1/deployment_pb.ts";
import { BundleError } from "./bundle-error.ts";
import { bundleFolder, pathInside } from "./bundle-folder.ts";
import type { ReadBundle } from "./send-bundle.ts";

/** The lockfiles of each language, the first that is there counts. */
const lockfiles = { node: ["package-lock.json"], python: ["uv.lock", "pylock.toml", "requirements.txt"] } as const;

/**
 * The folder that holds the files of a spec's program; its paths are absolute. `given`: the folder
 * that the user named. Undefined: the spec has a bundle, or names no file. Fails with a `BundleError`.
 */
export function folderOfSpec(spec: DeploymentSpec, given: string | undefined): string | undefined {
  if (spec.runtimeEnv?.bundle) return undefined;
  const kind = spec.program?.kind;
  if (kind?.case === "module") {
    if (!existsSync(kind.value.path)) {
      const remedy = "a path of the controller's machine is deployed with --no-bundle";
      throw new BundleError(`the program ${kind.value.path} is not on this machine: ${remedy}`);
    }
    return bundleFolder(dirname(kind.value.path), given);
  }
  const folder = spec.runtimeEnv?.workingDir;
  if (kind?.case !== "command" || !folder) return undefined;
  if (given === undefined && !kind.value.argv.some((argument) => isFileIn(folder, argument))) return undefined;
  return bundleFolder(folder, given);
}

/** Whether an argument names a file below the folder. */
function isFileIn(folder: string, argument: string): boolean {
  const isPath = argument !== "" && !argument.startsWith("/") && !argument.startsWith("-") && !argument.includes("\0");
  const path = resolve(folder, argument);
  if (!isPath || pathInside(folder, path) === undefined) return false;
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}

/**
 * Makes the paths of a spec those inside the bundle, and names the bundle; `digest` is empty where it
 * is not known yet. Fills in the lockfile where the spec has none. Fails with a `BundleError`.
 */
export function putIntoBundle(
  spec: DeploymentSpec,
  { folder, files }: ReadBundle,
  { digest, fillLockfile }: { readonly digest: string; readonly fillLockfile: boolean },
): void {
  const environment = spec.runtimeEnv ?? create(RuntimeEnvSchema);
  spec.runtimeEnv = environment;
  environment.bundle = digest;
  const paths = new Set(files.map(({ path }) => path));
  const working = environment.workingDir === "" ? "" : pathInside(folder, environment.workingDir);
  if (working === undefined) {
    const remedy = "send a folder that has it with --bundle, or use the paths of the controller's machine with --no-bundle";
    throw new BundleError(`runtime_env.working_dir: ${environment.workingDir} is not in ${folder}, which is sent: ${remedy}`);
  }
  environment.workingDir = working;
  const kind = spec.program?.kind;
  if (kind?.case === "module") {
    const path = pathInside(folder, kind.value.path) ?? "";
    if (!paths.has(path)) {
      const why = ".gitignore, .droverignore or its place in a folder that is never sent leaves it out";
      throw new BundleError(`the program ${path} would not be sent with ${folder}: ${why}`);
    }
    kind.value.path = path;
  }
  if (fillLockfile && environment.lockfile === "") environment.lockfile = lockfileFor(spec, paths);
}

/** The nearest lockfile of the program's language, at or above its folder. Empty: there is none. */
function lockfileFor({ program, runtimeEnv }: DeploymentSpec, paths: ReadonlySet<string>): string {
  const kind = program?.kind;
  const [language, start] =
    kind?.case === "module"
      ? [kind.value.path.endsWith(".py") ? ("python" as const) : ("node" as const), dirname(kind.value.path)]
      : [languageOf(kind?.value?.argv[0] ?? ""), runtimeEnv?.workingDir || "."];
  if (language === undefined) return "";
  for (let at = start; ; at = dirname(at)) {
    const found = lockfiles[language].map((name) => join(at, name)).find((path) => paths.has(path));
    if (found !== undefined || at === ".") return found ?? "";
  }
}

function languageOf(program: string): keyof typeof lockfiles | undefined {
  const name = basename(program);
  if (name === "node" || name === "npx" || name === "npm") return "node";
  return /^python[\d.]*$/.test(name) ? "python" : undefined;
}
