// The Python SDK and the examples by the linter, and the SDK by the type checker; their settings are in sdk/python/pyproject.toml.
import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { expect } from "vitest";
import { temporaryFolder } from "../replica/harness.ts";
import { python, sdk, pythonTest as test } from "./python-harness.ts";

const examples = resolve(sdk, "../../examples");

/** What a tool prints where something is wrong; empty: nothing is. */
async function complaints(...args: readonly string[]): Promise<string> {
  const ended = promisify(execFile)(python(), ["-m", ...args], { cwd: sdk });
  return ended.then(
    () => "",
    (error: { readonly stdout: string; readonly stderr: string }) => error.stdout + error.stderr,
  );
}

test("the Python code keeps its linter's rules and its format", async () => {
  const settings = ["--no-cache", "--config", "pyproject.toml", ".", examples];
  expect(await complaints("ruff", "check", "--quiet", ...settings)).toBe("");
  expect(await complaints("ruff", "format", "--quiet", "--check", ...settings)).toBe("");
});

test("the Python SDK has no type error", async () => {
  expect(await complaints("mypy", "--cache-dir", await temporaryFolder())).toBe("");
});
