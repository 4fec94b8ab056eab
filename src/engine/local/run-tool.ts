import { type ChildProcess, spawn } from "node:child_process";
import { open } from "node:fs/promises";
import type { Clock } from "../../clock/clock.ts";
import type { ProcessEnd } from "../../core/ending.ts";
import { processEnd } from "./process-end.ts";
import type { ProcessEnvironment } from "./replica-env.ts";

export interface ToolRun {
  /** The program and its arguments; not run by a shell. */
  readonly argv: readonly [string, ...string[]];
  readonly workingDir: string;
  readonly env: ProcessEnvironment;
  /** The file that its output is appended to. */
  readonly output: string;
  /** When it is killed at the latest, milliseconds since 1970. */
  readonly untilMs: number;
  /** Kills the tool when it aborts. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
}

/** The result of a tool's run. */
export type ToolResult =
  | { readonly kind: "done" }
  | { readonly kind: "ended"; readonly end: ProcessEnd }
  /** It took too long and was killed. */
  | { readonly kind: "late" }
  /** The signal aborted: it was killed, or not run. */
  | { readonly kind: "unwanted" }
  | { readonly kind: "notFound"; readonly program: string }
  /** `why` is the system's text. */
  | { readonly kind: "notRun"; readonly why: string };

/** Runs a tool to its end. Its child processes end with it. */
export async function runTool({ argv, workingDir, env, output, untilMs, signal, clock }: ToolRun): Promise<ToolResult> {
  const [program, ...args] = argv;
  const out = await open(output, "a", 0o600);
  try {
    if (signal.aborted) return { kind: "unwanted" };
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
    const ended = await new Promise<ToolResult>((done) => {
      child.once("error", (error: NodeJS.ErrnoException) =>
        done(error.code === "ENOENT" ? { kind: "notFound", program } : { kind: "notRun", why: error.message }),
      );
      child.once("exit", (code, signalName) => done(code === 0 ? { kind: "done" } : { kind: "ended", end: processEnd(code, signalName) }));
    });
    stopTimer();
    signal.removeEventListener("abort", end);
    killGroup(child);
    if (signal.aborted) return { kind: "unwanted" };
    return late ? { kind: "late" } : ended;
  } finally {
    await out.close();
  }
}

function killGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGKILL");
  } catch {
    // No process of the group is left.
  }
}
