import { type Command, InvalidArgumentError, Option } from "commander";
import { parseDurationMs } from "../program/parse-duration.ts";
import type { Session } from "./session.ts";

/**
 * Adds a command to the program. `act` calls its action with a session, and takes its exit code.
 */
export type AddCommand = (program: Command, act: Act) => void;

/** Wraps the action of a command. Its arguments are the session, then those of Commander. */
export type Act = <A extends readonly unknown[]>(
  run: (session: Session, ...given: A) => Promise<number>,
) => (...given: unknown[]) => Promise<void>;

export type Format = "table" | "text" | "yaml" | "json";

/** `-o`: the format that a command prints. `standard` is its default. */
export function outputOption(standard: Format = "table"): Option {
  return new Option("-o, --output <format>", "how to print").choices([standard, "json"]).default(standard);
}

/** `--app`: an application, all of whose deployments a command is about. */
export const appOption = (): Option => new Option("--app <name>", "the deployments of this application");

export function waitOptions(command: Command, until: string): Command {
  return command
    .option("--wait", `wait until ${until} (the default)`, true)
    .option("--no-wait", `do not wait until ${until}`)
    .addOption(
      new Option("--timeout <time>", "the longest to wait, for example 90s or 10m").argParser(readDuration).default(300_000, "5m"),
    );
}

export interface WaitFlags {
  readonly wait: boolean;
  /** Milliseconds. Default: 5 minutes. */
  readonly timeout: number;
}

/** Text for the end of a command's help. */
export function examples(...lines: readonly string[]): string {
  return `\n${lines.length === 1 ? "Example" : "Examples"}:\n${lines.map((line) => `  $ ${line}`).join("\n")}\n`;
}

const timeoutMaxMs = 24 * 3_600_000;

/** Reads `--timeout`. */
export function readDuration(text: string): number {
  const ms = parseDurationMs(text);
  if (ms === undefined) throw new InvalidArgumentError("Give a number and a unit (ms, s, m, h), for example 90s or 10m.");
  if (ms < 1 || ms > timeoutMaxMs) throw new InvalidArgumentError("Must be 1ms to 24h.");
  return ms;
}

/** Reads a whole number between bounds. */
export function readInteger(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^-?\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max))
      throw new InvalidArgumentError(`Must be a whole number from ${min} to ${max.toLocaleString("en")}.`);
    return value;
  };
}

/** Reads a number that is not negative. */
export function readAmount(text: string): number {
  if (!/^\d{1,9}(\.\d{1,9})?$/.test(text)) throw new InvalidArgumentError("Must be a number, 0 or more.");
  return Number(text);
}

/** Collects the values of an option that may be repeated. */
export const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];
