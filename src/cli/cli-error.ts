/** Exit codes: `done`, `failed`, `usage` (wrong command line), `interrupted` (Ctrl-C). */
export const exitCodes = { done: 0, failed: 1, usage: 2, interrupted: 130 } as const;

/** Ends a command: the lines to show (the first after "error: ") and the exit code. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly lines: readonly string[];
  readonly exitCode: number;

  constructor(lines: string | readonly string[], exitCode: number = exitCodes.failed) {
    const all = typeof lines === "string" ? [lines] : lines;
    super(all.join("\n"));
    this.lines = all;
    this.exitCode = exitCode;
  }
}

/** A wrong command line. */
export function usage(...lines: readonly string[]): CliError {
  return new CliError(lines, exitCodes.usage);
}
