import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import type { Requirements } from "../../core/deployment.ts";
import type { ProcessEnvironment } from "./replica-env.ts";
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
 * redirects the packages.
 */
export function toolEnv(ambient: ProcessEnvironment): ProcessEnvironment {
  const { PIP_TARGET, PIP_PREFIX, PIP_USER, ...env } = ambient;
  return { ...env, PATH: [dirname(process.execPath), ambient.PATH ?? ""].join(delimiter), UV_NO_CONFIG: "1" };
}

/** Whether `uv` is on the PATH. It is much faster than pip. */
export function hasUv(env: ProcessEnvironment): Promise<boolean> {
  return new Promise((resolve) => {
    execFile("uv", ["--version"], { env: env as NodeJS.ProcessEnv, timeout: versionMs }, (error) => resolve(error === null));
  });
}

/** The parts of an environment's folder. */
export const npmFolder = (path: string): string => join(path, "npm");
export const pipFolder = (path: string): string => join(path, "pip");

/** A command line with the tool's name for messages. */
type Command = Pick<ToolRun, "argv"> & { readonly name: string };

/** The commands that install npm packages into an environment. */
export async function npmCommands(path: string, packages: Requirements["npm"]): Promise<readonly Command[]> {
  if (packages.length === 0) return [];
  const folder = npmFolder(path);
  await mkdir(folder);
  // So that npm takes this folder as the project, not a parent folder.
  await writeFile(join(folder, "package.json"), '{ "private": true }\n');
  const quiet = ["--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"];
  return [{ name: "npm", argv: ["npm", "install", "--prefix", folder, ...quiet, "--", ...packages] }];
}

/** The commands that install Python packages into their own virtual environment. */
export function pipCommands(path: string, packages: Requirements["pip"], { path: python3 }: Python, uv: boolean): readonly Command[] {
  if (packages.length === 0) return [];
  const folder = pipFolder(path);
  const python = join(folder, "bin", "python3");
  if (uv) {
    return [
      { name: "uv venv", argv: ["uv", "venv", "--quiet", "--python", python3, folder] },
      { name: "uv pip", argv: ["uv", "pip", "install", "--quiet", "--python", python, "--", ...packages] },
    ];
  }
  return [
    { name: "python3 -m venv", argv: [python3, "-m", "venv", folder] },
    { name: "pip", argv: [python, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check", "--", ...packages] },
  ];
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

/**
 * The variables of a program that runs in an environment. `hook` is the module that makes Node
 * search the environment first.
 */
export function environmentVars(
  path: string,
  { npm, pip }: Requirements,
  env: Readonly<Record<string, string>>,
  hook: string,
): Record<string, string> {
  const vars: Record<string, string> = {};
  const bins = [
    ...(pip.length > 0 ? [join(pipFolder(path), "bin")] : []),
    ...(npm.length > 0 ? [join(npmFolder(path), "node_modules", ".bin")] : []),
  ];
  vars.PATH = [...bins, env.PATH ?? ""].join(delimiter);
  if (pip.length > 0) vars.VIRTUAL_ENV = pipFolder(path);
  if (npm.length > 0) {
    const modules = join(npmFolder(path), "node_modules");
    vars.DROVER_NPM_ENVIRONMENT = npmFolder(path);
    vars.NODE_PATH = [modules, ...(env.NODE_PATH ? [env.NODE_PATH] : [])].join(delimiter);
    vars.NODE_OPTIONS = [...(env.NODE_OPTIONS ? [env.NODE_OPTIONS] : []), `--import=${hook}`].join(" ");
  }
  return vars;
}
