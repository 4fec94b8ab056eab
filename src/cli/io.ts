import type { Config } from "../config/config.ts";
import type { Testbed } from "../conformance/testbed.ts";
import { processAuthor } from "./author.ts";

/** Where the CLI prints. */
export interface Output {
  write(chunk: string | Uint8Array): unknown;
  /** Whether a person reads it: colours and rewritten lines only there. */
  readonly isTTY?: boolean;
  /** Width in characters, on a terminal. */
  readonly columns?: number;
}

/** All that the CLI knows of the world around it. */
export interface CliIo {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Who calls, for the controller to note: `user@host` in printable ASCII. */
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
  /** A text that nobody used before. */
  newId(): string;
  /** Runs a controller until it is told to stop; gives the exit code. */
  start(config: Config, interrupted: AbortSignal): Promise<number>;
  /** Asks a Python file what it is to be deployed as: what it prints, or why it says nothing. Unset: nothing here can. */
  describePython?(file: string, exportName: string): Promise<{ readonly stdout: string } | { readonly failure: string }>;
  /** Starts programs to be checked; unset: nothing here can. */
  readonly testbed?: Testbed;
}

/** What a shell reports for a program that wrote into a closed pipe. */
const brokenPipeExitCode = 141;

/** The world of this process. A second Ctrl-C ends it at once. */
export function processIo(parts: Pick<CliIo, "nowMs" | "sleep" | "newId" | "start" | "describePython" | "testbed">): CliIo {
  const interrupt = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => interrupt.abort());
  for (const output of [process.stdout, process.stderr]) output.on("error", endWhenNobodyReads);
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
function endWhenNobodyReads(error: NodeJS.ErrnoException): void {
  if (error.code !== "EPIPE") throw error;
  process.exit(brokenPipeExitCode);
}
