import { execFile } from "node:child_process";
import { withPythonPath } from "./python-path.ts";
import type { Environment } from "./replica-env.ts";

/** The most that it may print. */
const printedBytesMax = 16 * 1024 * 1024;

/** What a Python program says of its deployment, as it prints it, or why it says nothing. */
export type PythonAnswer = { readonly stdout: string } | { readonly failure: string };

/** Asks a Python file what it is to be deployed as: runs it in a `python3` of its own. */
export function describePython(sdk: string, file: string, exportName: string, cwd: string, env: Environment): Promise<PythonAnswer> {
  const args = ["-m", "drover.describe", file, ...(exportName === "" ? [] : [exportName])];
  const options = { cwd, env: withPythonPath(env, sdk) as NodeJS.ProcessEnv, maxBuffer: printedBytesMax };
  return new Promise((resolve) => {
    execFile("python3", args, options, (error, stdout, stderr) => {
      if (error === null) resolve({ stdout });
      else if ((error as NodeJS.ErrnoException).code === "ENOENT") resolve({ failure: "python3 was not found on the PATH" });
      else resolve({ failure: stderr.trim() || error.message });
    });
  });
}
