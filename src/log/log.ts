import { type Logger, pino } from "pino";

/** The log. Each component has a child with its name. */
export type Log = Logger;

/**
 * Creates the process's only log: JSON lines on standard error. `level`: one of pino's, or
 * `silent`. What becomes of lines that cannot be written is up to the stream: a log ends no program.
 */
export function createLog(level: string): Log {
  return pino({ level, base: null }, process.stderr);
}

/** A log that prints nothing, for tests. */
export const silentLog: Log = pino({ level: "silent" });
