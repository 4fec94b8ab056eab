// Runs the programs of other scripts. Works on any Node from 18 on, with nothing installed.
import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
export const bin = join(root, "node_modules", ".bin");
const quiet = process.argv.includes("--quiet");

/** What a user has to do; shown without a stack. */
export class Problem extends Error {}

/**
 * Runs a program with our programs first on PATH. Fails with `problem`, after the program's own
 * output.
 */
export function run(command, problem) {
  if (!tryRun(command)) throw new Problem(problem);
}

export function tryRun([program, ...args]) {
  const { status, signal, error, stdout, stderr } = spawnSync(program, args, {
    stdio: quiet ? ["inherit", "pipe", "pipe"] : ["inherit", 2, 2],
    env: withBin(),
    maxBuffer: 64 * 1024 * 1024,
    encoding: "utf8",
  });
  if (signal === "SIGINT") process.exit(130);
  if (status !== 0 && quiet) process.stderr.write(`${stdout ?? ""}${stderr ?? ""}`);
  if (error) say(`${program}: ${error.message}`);
  return status === 0;
}

/** The output of a program; empty: it cannot be run. */
export function output(program, args) {
  const { status, stdout } = spawnSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"], timeout: 10_000 });
  return status === 0 ? stdout : "";
}

function withBin() {
  return { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH ?? ""}` };
}

export function onPath(program) {
  return (process.env.PATH ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

export function say(text) {
  console.error(`set-up: ${text}`);
}

/** Runs a step while its reason is there, and fails where the step did not help. */
export function runStep({ why, act, remedies = "" }) {
  const reason = why();
  if (reason === "") return;
  act(reason);
  const left = why();
  if (left !== "") throw new Problem(`this did not help: ${left}${remedies && `\n${remedies}`}`);
}

/** Ends this process with 1 where `work` has a problem. */
export function orExit(work) {
  try {
    work();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    console.error(`set-up: ${error.message}`);
    process.exit(1);
  }
}

export function majorOf(version) {
  return Number(/\d+/.exec(version)?.[0] ?? 0);
}
