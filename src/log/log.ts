import { type Logger, pino } from "pino";

/** The log; each component has a child with its name. */
export type Log = Logger;

/** Makes the process's one log: JSON lines on standard error. `level` is one of pino's, or `silent`. */
export function createLog(level: string): Log {
  return pino({ level, base: null }, pino.destination({ dest: 2, sync: true }));
}

/** A log that says nothing, for tests. */
export const silentLog: Log = pino({ level: "silent" });
