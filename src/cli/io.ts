import type { Config } from "../config/config.ts";
import type { Testbed } from "../conformance/testbed.ts";
import { processAuthor } from "./author.ts";

/** Where the CLI prints. */
export interface Output {
  write(chunk: string | Uint8Array): unknown;
  /** Whether it is a terminal, with colours and rewritten lines. */
  readonly isTTY?: boolean;
  /** The width of the terminal in characters. */
  readonly columns?: number;
  /** The height of the terminal in lines. */
  readonly rows?: number;
}

/** Everything that the CLI uses outside its own process. */
export interface CliIo {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** The caller, whom the controller records: `user@host` in printable ASCII. */
  readonly author: string;
  readonly stdin: AsyncIterable<Uint8Array | string>;
  readonly stdout: Output;
  readonly stderr: Output;
  /** Aborts at Ctrl-C or SIGTERM; the command then ends with 130. */
  readonly interrupted: AbortSignal;
  /** Milliseconds since 1970. */
  nowMs(): number;
  /** Ends early when the signal aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /** A text that is unique for ever. */
  newId(): string;
  /** Runs a controller until `interrupted` aborts; returns the exit code. */
  start(config: Config, interrupted: AbortSignal): Promise<number>;
  /**
   * From then on, modules that are imported find `drover` also where no folder above them has it.
   * Undefined: they do not.
   */
  findDrover?(): Promise<void>;
  /**
   * Describes what a file deploys, each time in a process of its own, which sees the files as they
   * are then. Undefined: no process can be started.
   */
  openDescriber?(file: string): ProgramDescriber;
  /** Starts programs to check. Undefined: programs cannot be started. */
  readonly testbed?: Testbed;
}

/** Describes what a file deploys. */
export interface ProgramDescriber {
  /**
   * Returns the description as JSON, or why there is none. `args` is a JSON object for the function
   * that builds an application; empty: none. `missesModule`: a module that the file imports was not
   * found. Fails when the signal aborts.
   */
  describe(
    given: readonly [file: string, exportName: string, args: string],
    signal: AbortSignal,
  ): Promise<{ readonly stdout: string } | { readonly failure: string; readonly missesModule: boolean }>;
  /** Makes ready for the next description, which is then faster. */
  prepare(): void;
  close(): void;
}

/** What a shell reports for a program that wrote into a closed pipe. */
const brokenPipeExitCode = 141;

/** The real one, of this process. A second Ctrl-C ends the process at once. */
export function processIo(parts: Pick<CliIo, "nowMs" | "sleep" | "newId" | "start" | "findDrover" | "openDescriber" | "testbed">): CliIo {
  const interrupt = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => interrupt.abort());
  for (const output of [process.stdout, process.stderr]) output.on("error", endAtBrokenPipe);
  return {
    ...parts,
    env: process.env,
    cwd: process.cwd(),
    author: processAuthor(),
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    interrupted: interrupt.signal,
  };
}

/** `drover list | head -1` closes the pipe before all is written. */
function endAtBrokenPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== "EPIPE") throw error;
  process.exit(brokenPipeExitCode);
}
