import { execFile } from "node:child_process";
import { withPythonPath } from "./python-path.ts";
import type { ProcessEnvironment } from "./replica-env.ts";

/** Bound on the output of the describing process. */
const printedBytesMax = 16 * 1024 * 1024;
/** The exit code of `drover.describe` if a module that the file imports was not found. */
const missingModuleCode = 3;

/**
 * The deployments that a Python file describes, as printed JSON, or why there is none. `missesModule`:
 * a module that the file imports was not found.
 */
export type PythonAnswer = { readonly stdout: string } | { readonly failure: string; readonly missesModule: boolean };

/**
 * Runs a Python file in its own `python3` process, to read the deployments that it describes.
 * `given` is the file, a name in it, and the arguments of a builder; both may be empty.
 */
export function describePython(sdk: string, given: readonly string[], cwd: string, env: ProcessEnvironment): Promise<PythonAnswer> {
  const args = ["-m", "drover.describe", ...given];
  const options = { cwd, env: withPythonPath(env, [sdk]) as NodeJS.ProcessEnv, maxBuffer: printedBytesMax };
  return new Promise((resolve) => {
    execFile("python3", args, options, (error, stdout, stderr) => {
      if (error === null) resolve({ stdout });
      else if (error.code === "ENOENT") resolve({ failure: "python3 was not found on the PATH", missesModule: false });
      else resolve({ failure: stderr.trim() || error.message, missesModule: error.code === missingModuleCode });
    });
  });
}
