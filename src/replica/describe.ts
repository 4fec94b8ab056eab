// Describes what a module deploys, in a process of its own: `node describe.js` reads one line from
// standard input, a JSON array of FILE, NAME and ARGS, the last two of which may be empty. ARGS is a
// JSON object, for a function NAME that builds an application. So the process may be started before
// the line is known.
//
// The answer is JSON on file descriptor 3: what `describeProgram` returns. If the module deploys
// nothing, the reason goes to standard error. The exit code is then 3 if a package that the module
// imports was not found, and 1 otherwise.

// Most modules import it: here it is loaded while the process waits.
import "./index.ts";
// So that a module finds "drover" without a copy of its own, as it does in a replica.
import "./npm-environment.ts";
import { closeSync, writeFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { describeProgram } from "../program/application.ts";
import { importFlag } from "../program/definition.ts";
import { isMissingPackage } from "../program/missing-package.ts";

const answerDescriptor = 3;
const missingPackageCode = 3;

/** Loads what Node reads TypeScript with, while the process waits: it takes longer than most imports. */
function loadTypeScript(): void {
  const { emitWarning } = process;
  process.emitWarning = () => {}; // the function is experimental, and nothing else depends on it
  stripTypeScriptTypes("");
  process.emitWarning = emitWarning;
}

/** The first line of standard input; undefined: it ended before. */
function readLine(): Promise<string | undefined> {
  const lines = createInterface({ input: process.stdin });
  return new Promise((resolve) => {
    lines.once("line", (line) => {
      resolve(line);
      lines.close();
    });
    lines.once("close", () => resolve(undefined));
  });
}

async function describe([file, exportName, args]: readonly [string, string, string]): Promise<void> {
  // So that a module that calls `run` itself does not deploy.
  (globalThis as Record<symbol, unknown>)[importFlag] = true;
  const moduleExports = await import(pathToFileURL(file).href).catch((cause: unknown) => {
    if (isMissingPackage(cause)) process.once("exit", () => (process.exitCode = missingPackageCode));
    throw cause; // Node prints it with its place in the source
  });
  const described = await describeProgram(moduleExports, exportName, file, args === "" ? undefined : JSON.parse(args));
  if (!("error" in described)) {
    writeFileSync(answerDescriptor, `${JSON.stringify(described)}\n`);
    closeSync(answerDescriptor); // so that nobody waits for the end of this process
  } else await new Promise((written) => process.stderr.write(`${described.error}\n`, written));
  process.exit("error" in described ? 1 : 0); // does not wait for what the module left open
}

loadTypeScript();
const line = await readLine();
if (line !== undefined) await describe(JSON.parse(line));
