#!/usr/bin/env node
// First, before anything is loaded that an old Node cannot run.
import "./require-node.ts";
import { type ProgramDescriber, processIo } from "./cli/io.ts";
import { runCli } from "./cli/run-cli.ts";
import { realClock, realRandom } from "./clock/real.ts";
import { type Config, hidePassword } from "./config/config.ts";
import type { Testbed } from "./conformance/testbed.ts";
import { requestsInWork } from "./core/words/status-words.ts";
import { moduleDescriber, pythonDescriber } from "./engine/local/describer.ts";
import { withPythonPath } from "./engine/local/python-path.ts";
import { dropUnwritable } from "./replica/unwritable-output.ts";
import { shipped } from "./shipped.ts";

/** `drover start`. Its modules are loaded only here, so that the other commands start fast. */
async function start(config: Config, interrupted: AbortSignal): Promise<number> {
  const { runController } = await import("./controller/controller.ts");
  for (const output of [process.stdout, process.stderr]) dropUnwritable(output);
  const say = (...lines: readonly string[]) => process.stdout.write(lines.map((line) => `${line}\n`).join(""));
  await runController(config, {
    ended: interrupted,
    hastened: nextSignal(interrupted),
    onReady: ({ api, gateway, http, redis }) =>
      say(
        "drover is up",
        `  gateway  ${gateway}  (requests to deployments, gRPC)`,
        `  api      ${api}  (controller, gRPC)`,
        `  http     ${http}  (/healthz, /metrics)`,
        `  redis    ${hidePassword(redis)}`,
        `  data     ${config.dataDir}`,
        "Ctrl-C stops it: requests in work may finish, then replicas and Redis are stopped. A second Ctrl-C ends the requests at once.",
      ),
    onWait: (work) =>
      say(
        ...work.map((one) => `waiting for ${requestsInWork(one)}`),
        "Ctrl-C again ends them now; a third leaves replicas and Redis running",
      ),
  });
  return 0;
}

/** Aborts at the first SIGINT or SIGTERM after `first`. The one after it ends this process at once. */
function nextSignal(first: AbortSignal): AbortSignal {
  const next = new AbortController();
  const signals = ["SIGINT", "SIGTERM"] as const;
  const onSignal = () => {
    for (const signal of signals) process.removeAllListeners(signal);
    next.abort();
  };
  first.addEventListener("abort", () => {
    for (const signal of signals) process.removeAllListeners(signal).once(signal, onSignal);
  });
  return next.signal;
}

/** For `drover run` and `drover deploy` of a module. */
async function findDrover(): Promise<void> {
  await import(shipped.npmHook);
}

/** For Python files, and for `drover run --watch`. */
function openDescriber(file: string): ProgramDescriber {
  return file.endsWith(".py")
    ? pythonDescriber(shipped.pythonSdk, process.cwd(), process.env)
    : moduleDescriber(shipped.moduleDescriber, process.cwd(), process.env);
}

/** For `drover conformance`: programs run as the engine runs replicas. */
const testbed: Testbed = {
  sleep: (ms, signal) => realClock.sleep(ms, signal),
  moduleHost: [process.execPath, shipped.moduleHost],
  ambient: withPythonPath(process.env, [shipped.pythonSdk]),
};

const idLength = 20;
const io = processIo({
  nowMs: () => realClock.nowMs(),
  sleep: (ms, signal) => realClock.sleep(ms, signal),
  newId: () => realRandom.id(idLength),
  start,
  findDrover,
  openDescriber,
  testbed,
});
const exitCode = await runCli(process.argv.slice(2), io);
// A deployed module may leave handles open, which must not keep the command waiting. Printed output
// must still arrive.
for (const output of [process.stdout, process.stderr]) await new Promise<void>((done) => output.write("", () => done()));
process.exit(exitCode);
