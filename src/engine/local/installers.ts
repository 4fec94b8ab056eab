import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import type { Requirements } from "../../core/deployment.ts";
import type { Environment } from "./replica-env.ts";
import type { ToolRun } from "./run-tool.ts";

/** How long a tool may take to tell its version. */
const versionMs = 10_000;

/** The Python that environments are made with. */
export interface Python {
  /** The program itself, not what stands before it on the PATH. */
  readonly path: string;
  /** Tells it from another: its version and where it is. */
  readonly identity: string;
  /** Where its own packages are. */
  readonly packages: readonly string[];
}

/** The `python3` on the PATH; undefined: there is none that runs. */
export function findPython(env: Environment): Promise<Python | undefined> {
  const script =
    "import json,sys;print();print(json.dumps([sys.executable,sys.version+sys.prefix,[p for p in sys.path if 'site-packages' in p or 'dist-packages' in p]]))";
  return new Promise((resolve) => {
    execFile("python3", ["-c", script], { env: env as NodeJS.ProcessEnv, timeout: versionMs }, (error, stdout) => {
      if (error) return resolve(undefined);
      try {
        // The last line: whatever stands before it may print its own.
        const [path, identity, packages] = JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "") as [string, string, string[]];
        resolve({ path, identity, packages });
      } catch {
        resolve(undefined);
      }
    });
  });
}

/** What the tools inherit: npm runs on our own Node, whose addons the replicas load; nothing sends packages elsewhere. */
export function toolEnv(ambient: Environment): Environment {
  const { PIP_TARGET, PIP_PREFIX, PIP_USER, ...env } = ambient;
  return { ...env, PATH: [dirname(process.execPath), ambient.PATH ?? ""].join(delimiter), UV_NO_CONFIG: "1" };
}

/** Whether `uv` is on the PATH: it installs in a fraction of pip's time. */
export function hasUv(env: Environment): Promise<boolean> {
  return new Promise((resolve) => {
    execFile("uv", ["--version"], { env: env as NodeJS.ProcessEnv, timeout: versionMs }, (error) => resolve(error === null));
  });
}

/** The parts of an environment's folder. */
export const npmFolder = (path: string): string => join(path, "npm");
export const pipFolder = (path: string): string => join(path, "pip");

/** A tool by the name that a person gives it. */
type Command = Pick<ToolRun, "argv"> & { readonly name: string };

/** What installs npm packages into an environment. */
export async function npmCommands(path: string, packages: Requirements["npm"]): Promise<readonly Command[]> {
  if (packages.length === 0) return [];
  const folder = npmFolder(path);
  await mkdir(folder);
  // So that npm takes this folder for the project, and none above it.
  await writeFile(join(folder, "package.json"), '{ "private": true }\n');
  const quiet = ["--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"];
  return [{ name: "npm", argv: ["npm", "install", "--prefix", folder, ...quiet, "--", ...packages] }];
}

/** What installs Python packages into a virtual environment of their own. */
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
 * What the Python that made the environment has of its own is found there too, after its own packages: the SDK's dependencies, above
 * all. Written after the installation, so that what is installed does not depend on it.
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

/** The variables of a program that runs in an environment, `hook` being the module that makes Node look there first. */
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
