import { type ChildProcess, spawn } from "node:child_process";
import { statSync } from "node:fs";
import type { Readable, Writable } from "node:stream";
import { withPythonPath } from "./python-path.ts";
import type { ProcessEnvironment } from "./replica-env.ts";

/** Bound on what one description may print. */
const printedBytesMax = 16 * 1024 * 1024;
/** The exit code where a package that the file imports was not found. */
const missingPackageCode = 3;

/** How the describing program is started, and the file descriptor on which it answers. */
export interface DescriberCommand {
  readonly argv: readonly [string, ...string[]];
  readonly env: ProcessEnvironment;
  readonly answerDescriptor: number;
}

/** The JSON that describes what a file deploys, or why it deploys nothing. */
export type DescriberAnswer = { readonly stdout: string } | { readonly failure: string; readonly missesModule: boolean };

/**
 * Describes what files deploy, each time in a process of its own, which sees the files as they are
 * now. A process can be started ahead of time, so that an answer takes only as long as the file's
 * imports.
 */
export class Describer {
  readonly #command: DescriberCommand;
  readonly #cwd: string;
  /** The process of the next description, and the working folder that it has. */
  #spare: { readonly child: ChildProcess; readonly folder: string | undefined } | undefined;

  constructor(command: DescriberCommand, cwd: string) {
    this.#command = command;
    this.#cwd = cwd;
  }

  /** Starts the process of the next description, unless it is there. */
  prepare(): void {
    this.#spare ??= { folder: this.#folder, child: this.#spawn() };
  }

  /**
   * Describes a file: `given` is the file, a name in it, and the arguments of a builder as JSON; the
   * last two may be empty. Fails with an AbortError when the signal aborts, which ends the process.
   */
  async describe(given: readonly [string, string, string], signal: AbortSignal): Promise<DescriberAnswer> {
    const child = this.#take();
    const end = () => child.kill("SIGKILL");
    signal.addEventListener("abort", end);
    try {
      signal.throwIfAborted();
      const cannotStart = this.#folder === undefined ? `the folder ${this.#cwd} is gone` : `${child.spawnfile} was not found on the PATH`;
      const answer = await answerOf(child, `${JSON.stringify(given)}\n`, this.#command.answerDescriptor, cannotStart);
      signal.throwIfAborted();
      return answer;
    } finally {
      signal.removeEventListener("abort", end);
      end();
    }
  }

  /** Ends the process that waits, if there is one. */
  close(): void {
    this.#spare?.child.kill("SIGKILL");
    this.#spare = undefined;
  }

  /** Which folder has the path of the working folder just now; undefined: none has. */
  get #folder(): string | undefined {
    const stats = statSync(this.#cwd, { throwIfNoEntry: false });
    return stats && `${stats.dev} ${stats.ino} ${stats.birthtimeMs}`;
  }

  #take(): ChildProcess {
    const spare = this.#spare;
    const { child } = spare ?? {};
    const isFit = spare?.folder === this.#folder && child?.pid !== undefined && child.exitCode === null && child.signalCode === null;
    if (child === undefined || !isFit) {
      this.close();
      return this.#spawn();
    }
    this.#spare = undefined;
    return child;
  }

  #spawn(): ChildProcess {
    const { argv, env } = this.#command;
    const [program, ...args] = argv;
    const child = spawn(program, args, { cwd: this.#cwd, env: env as NodeJS.ProcessEnv, stdio: ["pipe", "pipe", "pipe", "pipe"] });
    // `answerOf` hears of it by the exit.
    child.on("error", () => {});
    child.stdin.on("error", () => {});
    return child;
  }
}

/** A describer of modules, by the program `describe.ts` of the replica. */
export function moduleDescriber(program: string, cwd: string, env: ProcessEnvironment): Describer {
  return new Describer({ argv: [process.execPath, program], env, answerDescriptor: 3 }, cwd);
}

/** A describer of Python files, by the SDK in the folder `sdk`. */
export function pythonDescriber(sdk: string, cwd: string, env: ProcessEnvironment): Describer {
  return new Describer({ argv: ["python3", "-m", "drover.describe", "-"], env: withPythonPath(env, [sdk]), answerDescriptor: 1 }, cwd);
}

async function answerOf(child: ChildProcess, line: string, answerDescriptor: number, cannotStart: string): Promise<DescriberAnswer> {
  const exited = new Promise<number | null>((resolve) => child.once("close", resolve).once("error", () => resolve(null)));
  const outputs = [1, 2, 3].map((descriptor) => bounded(child.stdio[descriptor] as Readable));
  (child.stdin as Writable).end(line);
  // Whole before the process ends, which takes a while.
  const answer = await outputs[answerDescriptor - 1];
  if (answer?.endsWith("\n")) return { stdout: answer };
  const code = await exited;
  const printed = await Promise.all(outputs);
  const failure = printed.filter((_, at) => at !== answerDescriptor - 1).join("");
  if (child.pid === undefined) return { failure: cannotStart, missesModule: false };
  return {
    failure: withoutInternals(failure) || `it ended the process that imports it (${child.signalCode ?? `exit code ${code}`})`,
    missesModule: code === missingPackageCode,
  };
}

/** What a stream prints, up to the bound; the rest is read and dropped. */
async function bounded(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  stream.on("data", (chunk: Buffer) => {
    if (bytes < printedBytesMax) chunks.push(chunk);
    bytes += chunk.length;
  });
  await new Promise((resolve) => stream.once("close", resolve));
  return Buffer.concat(chunks).toString();
}

/** What Node prints of an error that nothing caught, without its own frames, fields and version. */
function withoutInternals(printed: string): string {
  return printed
    .replaceAll("file://", "")
    .replace(/^node:internal\/\S+\n.*\n *\^\n\n/gm, "")
    .replace(/^ +at (?:.*[( ])?(?:node:|\/\S*\/(?:bundle|replica)\/describe\.[jt]s:).*\n?/gm, "")
    .replace(/\n+Node\.js v[\d.]+\s*$/, "")
    .replace(/(?: \{)?\n {2}code: '\w+',?\n(?: {2}\w+: '.*'\n)?\}\s*$/, "")
    .trim();
}
