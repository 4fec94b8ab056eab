import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { folder } from "./harness.ts";

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

/** Runs the program as a user does, in a process of its own. */
function drover(
  argv: readonly string[],
  cwd: string,
): Promise<{ readonly exitCode: number; readonly stdout: string; readonly stderr: string }> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [main, ...argv], { cwd }, (_, stdout, stderr) =>
      resolve({ exitCode: child.exitCode ?? -1, stdout, stderr }),
    );
  });
}

test("the program runs, and its exit code is the CLI's", async () => {
  const cwd = await folder({ "syntax.mjs": "const fine = 1;\nexport const = 2;\n" });
  const [version, wrong, failed] = await Promise.all([
    drover(["--version"], cwd),
    drover(["fly"], cwd),
    drover(["run", "syntax.mjs", "--api", "127.0.0.1:1"], cwd),
  ]);
  expect(version).toEqual({ exitCode: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/), stderr: "" });
  expect(wrong).toMatchObject({ exitCode: 2, stdout: "", stderr: expect.stringContaining("unknown command 'fly'") });
  expect(failed).toMatchObject({ exitCode: 1, stdout: "" });
  expect(failed.stderr).toMatch(/^error: cannot import .*syntax\.mjs:\n {2}SyntaxError: .*\n {2}`node .*syntax\.mjs` shows where\n$/);
  expect(failed.stderr).not.toMatch(/\n\s+at /);
});
