import { type ChildProcess, spawn } from "node:child_process";
import { open } from "node:fs/promises";
import type { Clock } from "../../clock/clock.ts";
import type { Environment } from "./replica-env.ts";

export interface ToolRun {
  /** What a person calls it. */
  readonly name: string;
  /** The program and its arguments; no shell sees them. */
  readonly argv: readonly [string, ...string[]];
  readonly workingDir: string;
  readonly env: Environment;
  /** Where its output goes, after what is there. */
  readonly output: string;
  /** When it is ended at the latest, milliseconds since 1970. */
  readonly untilMs: number;
  /** Ends it. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
}

/** Runs a tool to its end. Gives what went wrong, for a person; `late`: it was ended; empty: nothing. What it started ends with it. */
export async function runTool({ name, argv, workingDir, env, output, untilMs, signal, clock }: ToolRun): Promise<string> {
  const [program, ...args] = argv;
  const out = await open(output, "a", 0o600);
  try {
    if (signal.aborted) return `${name} was not run any more`;
    const child = spawn(program, args, {
      cwd: workingDir,
      env: env as NodeJS.ProcessEnv,
      detached: true,
      stdio: ["ignore", out.fd, out.fd],
    });
    let late = false;
    const stopTimer = clock.after(Math.max(1, untilMs - clock.nowMs()), () => {
      late = true;
      killGroup(child);
    });
    const end = () => killGroup(child);
    signal.addEventListener("abort", end);
    const ended = await new Promise<string>((done) => {
      child.once("error", (error: NodeJS.ErrnoException) =>
        done(error.code === "ENOENT" ? `${program} was not found on the PATH` : `${name} could not be run: ${error.message}`),
      );
      child.once("exit", (code, signalName) =>
        done(code === 0 ? "" : `${name} ended with ${signalName ? `signal ${signalName}` : `exit code ${code}`}`),
      );
    });
    stopTimer();
    signal.removeEventListener("abort", end);
    killGroup(child);
    if (signal.aborted) return `${name} was not wanted any more`;
    return late ? "late" : ended;
  } finally {
    await out.close();
  }
}

function killGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGKILL");
  } catch {
    // Nothing of it is left.
  }
}
