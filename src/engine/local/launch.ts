import { type ChildProcess, spawn } from "node:child_process";
import { constants } from "node:fs";
import { access, open, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { delimiter, join, relative, resolve } from "node:path";
import { recordAndExec } from "./process-identity.ts";

export interface Launch {
  /** The program and its arguments. */
  readonly argv: readonly string[];
  /** Inside the bundle, if there is one. Empty: the bundle's folder, else the controller's. */
  readonly workingDir: string;
  /** The folder of the bundle's files. Undefined: there is no bundle. */
  readonly bundleFolder?: string | undefined;
  /** All variables of the program. Without a `PWD`, it gets that of its working folder. */
  readonly env: Readonly<Record<string, string>>;
  /** The prefix of the command line (`Cgroup.enter`); empty: none. */
  readonly enter: readonly string[];
  /** The file where the process records itself (`recordAndExec`). */
  readonly pidFile: string;
  /** The files of its output. */
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Starts a process in its own process group, which outlives the controller. Its output goes
 * straight into files, so it never writes to a closed pipe. Fails with an Error that says what to
 * change: no such folder, no such program.
 */
export async function launch({ argv, workingDir, bundleFolder, env, enter, pidFile, stdout, stderr }: Launch): Promise<ChildProcess> {
  const folder = await expectFolder(workingDir, bundleFolder);
  const program = await findProgram(argv[0] ?? "", { folder, bundleFolder }, env.PATH ?? "");
  const out = await open(stdout, "a", 0o600);
  const err = await open(stderr, "a", 0o600).catch((error) => out.close().then(() => Promise.reject(error)));
  try {
    const child = spawn("/bin/sh", ["-c", recordAndExec, pidFile, ...enter, ...handOver(env), program, ...argv.slice(1)], {
      cwd: folder,
      env: throughShell(env),
      detached: true,
      stdio: ["ignore", out.fd, err.fd],
    });
    await new Promise<void>((done, fail) => child.once("spawn", done).once("error", fail));
    child.on("error", () => {}); // from signals sent after the process ended
    child.unref();
    return child;
  } catch (error) {
    throw new Error(`program ${program} could not be started: ${startFault(error)}`, { cause: error });
  } finally {
    await Promise.all([out.close(), err.close()]);
  }
}

/** The absolute path of a working folder. Fails if it does not exist. */
export async function expectFolder(workingDir: string, bundleFolder?: string): Promise<string> {
  const folder = resolve(bundleFolder ?? "", workingDir);
  if (await isFolder(folder)) return folder;
  throw new Error(
    bundleFolder === undefined
      ? `working folder ${folder} does not exist${ofThisMachine()}`
      : `working folder ${workingDir} is not in the bundle: no file of it is in such a folder`,
  );
}

/**
 * The variables that shells set themselves, or that change how they run: those of POSIX, dash, ash,
 * bash, ksh and zsh.
 */
const ofShells =
  /^(?:_|ARGV0|BASH\w*|COMP_WORDBREAKS|DIRSTACK|ENV|EPOCH\w+|E?[GU]ID|FUNCNAME|GROUPS|HISTCMD|HOSTTYPE|IFS|LINENO|MACHTYPE|MAIL|MAILPATH|OLDPWD|OPT(?:ARG|ERR|IND)|OSTYPE|PIPESTATUS|POSIXLY_CORRECT|PPID|PS\d|PWD|S?RANDOM|SECONDS|SHELLOPTS|SHLVL|TTYIDLE|USERNAME|ZSH\w*)$/;

const isForShell = (name: string): boolean => /^[A-Za-z_]\w*$/.test(name) && !ofShells.test(name);

/** The variables that the shell passes on as they are. */
function throughShell(env: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => isForShell(name)));
}

/**
 * Sets the variables that the shell would drop or overwrite, once the shell is gone. The others do
 * not go this way: every user of the machine can read a command line.
 */
function handOver(env: Readonly<Record<string, string>>): string[] {
  const rest = Object.entries(env).filter(([name]) => !isForShell(name));
  return rest.length > 0 ? ["/usr/bin/env", "--", ...rest.map(([name, value]) => `${name}=${value}`)] : [];
}

/** The program's file, found as a shell does in the working folder `folder`. */
async function findProgram(
  name: string,
  { folder, bundleFolder }: Pick<Launch, "bundleFolder"> & { readonly folder: string },
  path: string,
): Promise<string> {
  if (name === "") throw new Error("the command line is empty");
  if (name.includes("/")) {
    const file = resolve(folder, name);
    if (await isExecutable(file)) return file;
    const isThere = await exists(file);
    if (bundleFolder === undefined || !file.startsWith(`${bundleFolder}/`)) {
      throw new Error(isThere ? `program ${file} is not an executable file` : `program ${file} does not exist${ofThisMachine()}`);
    }
    const inBundle = relative(bundleFolder, file);
    throw new Error(
      isThere
        ? `program ${inBundle} of the bundle is not an executable file: make it one (chmod +x), and deploy again`
        : `program ${inBundle} does not exist: the bundle has no such file`,
    );
  }
  for (const place of path.split(delimiter)) {
    const file = join(resolve(folder, place), name);
    if (await isExecutable(file)) return file;
  }
  throw new Error(`program ${name} was not found on PATH (${path})`);
}

/** Whoever deploys may be at another machine. */
const ofThisMachine = (): string => `; replicas run on the machine ${hostname()}, and paths are of that machine`;

async function isExecutable(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK);
    return (await stat(file)).isFile();
  } catch {
    return false;
  }
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}

function startFault(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "E2BIG") return "its arguments, init_args and env_vars are together too long for the system";
  if (code === "EAGAIN" || code === "EMFILE" || code === "ENFILE") return `the system has no more processes or files to give (${code})`;
  return message;
}
