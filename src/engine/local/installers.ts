import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { delimiter, dirname, join, relative } from "node:path";
import { fileOfRequirement } from "../../core/bundle.ts";
import type { Requirements } from "../../core/deployment.ts";
import { lockfileKind } from "../../core/lockfile.ts";
import { manifestWithoutSdk, withoutOutsideSdk } from "../../program/npm-lockfile.ts";
import { BuildError } from "./build-error.ts";
import { sourceFolder } from "./environment-sources.ts";
import { readLockfile } from "./lockfile-files.ts";
import type { ProcessEnvironment } from "./replica-env.ts";
import { needsNpm, needsPython } from "./requirements.ts";
import type { ToolRun } from "./run-tool.ts";

/** How long a tool may take to print its version. */
const versionMs = 10_000;

/** The Python that makes environments. */
export interface Python {
  /** The interpreter itself, not a wrapper on the PATH. */
  readonly path: string;
  /** Its version and location: differs between interpreters. */
  readonly identity: string;
  /** The folders of its own packages. */
  readonly packages: readonly string[];
}

/** The `python3` on the PATH; undefined: none, or it does not run. */
export function findPython(env: ProcessEnvironment): Promise<Python | undefined> {
  const script =
    "import json,sys;print();print(json.dumps([sys.executable,sys.version+sys.prefix,[p for p in sys.path if 'site-packages' in p or 'dist-packages' in p]]))";
  return new Promise((resolve) => {
    execFile("python3", ["-c", script], { env: env as NodeJS.ProcessEnv, timeout: versionMs }, (error, stdout) => {
      if (error) return resolve(undefined);
      try {
        // The last line: a wrapper may print lines before it.
        const [path, identity, packages] = JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "") as [string, string, string[]];
        resolve({ path, identity, packages });
      } catch {
        resolve(undefined);
      }
    });
  });
}

/**
 * The tools' variables: npm runs on our own Node, because replicas load its addons, and no setting
 * redirects the packages. uv makes copies: links into its cache would let a program that writes into
 * its packages change those of others.
 */
export function toolEnv(ambient: ProcessEnvironment): ProcessEnvironment {
  const { PIP_TARGET, PIP_PREFIX, PIP_USER, ...env } = ambient;
  const path = [dirname(process.execPath), ambient.PATH ?? ""].join(delimiter);
  return { UV_LINK_MODE: "copy", ...env, PATH: path, UV_NO_CONFIG: "1" };
}

/**
 * The npm that came with our Node, else that of the PATH. Its program is named: where pip has
 * installed Node, the file `npm` is a copy that finds nothing, because a wheel has no links.
 */
const npmCli = join(dirname(process.execPath), "../lib/node_modules/npm/bin/npm-cli.js");
const npmProgram: readonly [string, ...string[]] = existsSync(npmCli) ? [process.execPath, npmCli] : ["npm"];

/** Whether `uv` is on the PATH. It is much faster than pip. */
export function hasUv(env: ProcessEnvironment): Promise<boolean> {
  return new Promise((resolve) => {
    execFile("uv", ["--version"], { env: env as NodeJS.ProcessEnv, timeout: versionMs }, (error) => resolve(error === null));
  });
}

/** The parts of an environment's folder. */
const npmFolder = (path: string): string => join(path, "npm");
const pipFolder = (path: string): string => join(path, "pip");

/** A command line with the tool's name for messages. */
interface Command extends Pick<ToolRun, "argv">, Partial<Pick<ToolRun, "workingDir">> {
  readonly name: string;
  /** Variables besides those of all tools. */
  readonly env?: ProcessEnvironment;
}

/** The entry of a list as a tool takes it: the name of a package, or the path of a file. */
function entry(path: string, requirement: string): string {
  const file = fileOfRequirement(requirement);
  return file === undefined ? requirement : join(sourceFolder(path), file);
}

/**
 * The commands that install npm packages into an environment, whose bundle's files are copied
 * already.
 */
export async function npmCommands(path: string, required: Requirements): Promise<readonly Command[]> {
  if (!needsNpm(required)) return [];
  const { lockfile, npm } = required;
  const packages = npm.toSorted().map((requirement) => entry(path, requirement));
  const quiet = ["--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"];
  const install = (folder: string, ...options: string[]): Command => ({
    name: "npm",
    argv: [...npmProgram, "install", "--prefix", folder, ...options, ...quiet, "--", ...packages],
  });
  if (lockfile === undefined || lockfileKind(lockfile) !== "npm") {
    await mkdir(npmFolder(path));
    // So that npm takes this folder as the project, not a parent folder.
    await writeFile(join(npmFolder(path), "package.json"), '{ "private": true }\n');
    return [install(npmFolder(path))];
  }
  const project = join(sourceFolder(path), dirname(lockfile));
  await symlink(relative(path, project), npmFolder(path));
  await leaveOutOutsideSdk(project, lockfile);
  await leaveOutDevelopersScripts(join(project, "package.json"));
  const locked: Command = { name: "npm ci", argv: [...npmProgram, "ci", "--prefix", project, "--omit=dev", "--prefer-offline", ...quiet] };
  return packages.length === 0 ? [locked] : [locked, install(project, "--no-save", "--omit=dev")];
}

/** Takes the SDK out of a project that has it from outside of its bundle: a replica finds the controller's own. */
async function leaveOutOutsideSdk(project: string, lockfile: string): Promise<void> {
  const file = join(project, "package-lock.json");
  const without = withoutOutsideSdk(lockfile, await readLockfile(file));
  if (without === undefined) return;
  await writeFile(file, without.lockfile);
  for (const folder of without.projects) {
    const manifest = join(project, folder, "package.json");
    const text = await readLockfile(manifest).catch(() => undefined);
    if (text !== undefined) await writeFile(manifest, manifestWithoutSdk(text));
  }
}

/** The scripts of a project that npm runs when its developer installs. */
const developersScripts = ["preprepare", "prepare", "postprepare", "prepublish"];

/**
 * Takes the scripts out of a package.json that prepare a developer's folder: they need the packages
 * for development, which are left out. The scripts of installed packages, and the project's own
 * `postinstall`, do run.
 */
async function leaveOutDevelopersScripts(file: string): Promise<void> {
  const text = await readLockfile(file).catch(() => "");
  if (!developersScripts.some((name) => text.includes(`"${name}"`))) return;
  try {
    const { scripts, ...manifest } = JSON.parse(text) as { readonly scripts?: Readonly<Record<string, string>> };
    const kept = Object.entries(scripts ?? {}).filter(([name]) => !developersScripts.includes(name));
    await writeFile(file, JSON.stringify({ ...manifest, scripts: Object.fromEntries(kept) }, undefined, 2));
  } catch {
    // No JSON: npm says so.
  }
}

/**
 * The commands that install Python packages into their own virtual environment, whose bundle's files
 * are copied already.
 */
export async function pythonCommands(
  path: string,
  required: Requirements,
  { path: python3 }: Python,
  uv: boolean,
): Promise<readonly Command[]> {
  if (!needsPython(required)) return [];
  const folder = pipFolder(path);
  const python = join(folder, "bin", "python3");
  const uvPip = ["uv", "pip", "install", "--quiet", "--compile-bytecode", "--python", python] as const;
  const pip = [python, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"] as const;
  const packages = required.pip.toSorted().map((requirement) => entry(path, requirement));
  const made: Command = uv
    ? { name: "uv venv", argv: ["uv", "venv", "--quiet", "--python", python3, folder] }
    : { name: "python3 -m venv", argv: [python3, "-m", "venv", folder] };
  const [program, ...options] = uv ? uvPip : pip;
  const run = (...args: string[]): Command => ({ name: uv ? "uv pip" : "pip", argv: [program, ...options, ...args] });
  const listed = packages.length === 0 ? [] : [run("--", ...packages)];
  const { lockfile } = required;
  if (lockfile === undefined) return [made, ...listed];
  const source = sourceFolder(path);
  const file = join(source, lockfile);
  switch (lockfileKind(lockfile)) {
    case "requirements": {
      // pip demands a hash of each package once a file has one; uv does so with this option.
      const hashed = uv && /\s--hash\b/.test(await readLockfile(file));
      return [made, { ...run("-r", file, ...(hashed ? ["--require-hashes"] : [])), workingDir: source }, ...listed];
    }
    case "pylock": {
      const locked = { ...run("-r", file), workingDir: dirname(file) };
      // The first pip that reads a pylock.toml.
      return [made, ...(uv ? [] : [run("--upgrade", "--", "pip>=26.1")]), locked, ...listed];
    }
    case "uv":
      if (!uv) throw new BuildError({ kind: "toolNotFound", program: "uv" });
      return [made, syncCommand(dirname(file), folder, python, await readLockfile(file)), ...listed];
    default:
      return [made, ...listed];
  }
}

/**
 * Installs what a uv.lock names. The project itself is not installed: the program runs in its
 * bundle.
 */
function syncCommand(project: string, folder: string, python: string, lockfile: string): Command {
  // The packages of a workspace are what the programs in it import.
  const workspace = /^members = \[/m.test(lockfile) ? ["--all-packages"] : [];
  const options = ["--frozen", "--no-dev", "--no-install-project", ...workspace, "--quiet", "--compile-bytecode", "--python", python];
  return {
    name: "uv sync",
    argv: ["uv", "sync", ...options, "--project", project],
    workingDir: project,
    env: { UV_PROJECT_ENVIRONMENT: folder, UV_PYTHON_DOWNLOADS: "never", UV_NO_CONFIG: undefined },
  };
}

/**
 * Makes the outer Python's packages visible in the environment, after the environment's own; above
 * all the SDK's dependencies. Written after the installation, so that the outer packages do not
 * change what is installed.
 */
export async function seePackagesOf(python: Python, path: string): Promise<void> {
  const folder = pipFolder(path);
  const script = "import sysconfig;print(sysconfig.get_path('purelib'))";
  const packages = await new Promise<string>((resolve, reject) => {
    execFile(join(folder, "bin", "python3"), ["-c", script], { timeout: versionMs }, (error, stdout) =>
      error ? reject(error) : resolve(stdout.trim()),
    );
  });
  await writeFile(join(packages, "drover_outer.pth"), `${python.packages.join("\n")}\n`);
}

/** The variables of a program that runs in an environment. */
export function environmentVars(path: string, required: Requirements, env: Readonly<Record<string, string>>): Record<string, string> {
  const vars: Record<string, string> = {};
  const bins = [
    ...(needsPython(required) ? [join(pipFolder(path), "bin")] : []),
    ...(needsNpm(required) ? [join(npmFolder(path), "node_modules", ".bin")] : []),
  ];
  vars.PATH = [...bins, env.PATH ?? ""].join(delimiter);
  if (needsPython(required)) vars.VIRTUAL_ENV = pipFolder(path);
  if (needsNpm(required)) {
    const modules = join(npmFolder(path), "node_modules");
    vars.DROVER_NPM_ENVIRONMENT = npmFolder(path);
    vars.NODE_PATH = [modules, ...(env.NODE_PATH ? [env.NODE_PATH] : [])].join(delimiter);
  }
  return vars;
}
