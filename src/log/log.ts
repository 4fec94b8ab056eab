import { type Logger, pino } from "pino";

/** The log. Each component has a child with its name. */
export type Log = Logger;

/**
 * Creates the process's only log: JSON lines on standard error. `level`: one of pino's, or
 * `silent`.
 */
export function createLog(level: string): Log {
  return pino({ level, base: null }, pino.destination({ dest: 2, sync: true }));
}

/** A log that prints nothing, for tests. */
export const silentLog: Log = pino({ level: "silent" });
