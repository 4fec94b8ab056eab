// Runs a module as a replica: `node host.js MODULE [EXPORT]`, with the environment variables of the
// contract.
import { handle } from "../client/connection.ts";
import { realClock, realRandom } from "../clock/real.ts";
import type { JsonObject } from "../core/json.ts";
import { messageBytes } from "../core/message-bounds.ts";
import { importFlag } from "../program/definition.ts";
import { withPathsInBundle } from "./bundle-paths.ts";
import { withHandles } from "./handles-in.ts";
import { importRemedy, loadDefinition, StartError } from "./load-module.ts";
import { createProgram, type HostedProgram } from "./program.ts";
import { ReplicaServer } from "./replica-server.ts";
import { stackText } from "./stack-text.ts";
import { createReplicaLog } from "./stderr-log.ts";
import { dropUnwritable, isDiskFault } from "./unwritable-output.ts";

/** How long ongoing requests may go on after a SIGTERM without a `Drain` before it. */
const terminateGraceMs = 1_000;

for (const output of [process.stdout, process.stderr]) dropUnwritable(output);
const log = createReplicaLog((line) => process.stderr.write(line), realClock);

async function start(): Promise<void> {
  const [path, exportName = ""] = process.argv.slice(2);
  if (!path) throw new StartError("usage: host MODULE [EXPORT]");
  const environment = readEnvironment(process.env);
  (globalThis as Record<symbol, unknown>)[importFlag] = true;
  const definition = await loadDefinition(path, exportName);
  const program = await createProgram(definition, withHandles(environment.initArgs, handle)).catch((cause: unknown) => {
    throw new StartError(`${path}: the program could not be constructed: ${importRemedy(cause, path)}${stackText(cause)}`);
  });
  const server = serverOf(program, environment);
  await server.listen(environment.address).catch((cause: unknown) => {
    throw new StartError(cause instanceof Error ? cause.message : String(cause)); // the message names the address
  });
  process.off("beforeExit", onNothingLeft);
  process.once("SIGTERM", () => void server.close(terminateGraceMs).finally(() => process.exit(0)));
}

function serverOf(program: HostedProgram, environment: ReturnType<typeof readEnvironment>): ReplicaServer {
  try {
    return new ReplicaServer(program, { ...environment, log, clock: realClock, random: realRandom });
  } catch (cause) {
    throw new StartError(`the program's services cannot be served: ${stackText(cause)}`);
  }
}

function readEnvironment(env: NodeJS.ProcessEnv) {
  const address = env.DROVER_LISTEN;
  if (!address) throw new StartError("DROVER_LISTEN is not set: a replica is started by the controller");
  return {
    address,
    identity: {
      replicaId: env.DROVER_REPLICA_ID ?? "",
      deployment: env.DROVER_DEPLOYMENT ?? "",
      revision: readInteger("DROVER_REVISION", env.DROVER_REVISION, 0),
    },
    maxOngoingRequests: readInteger("DROVER_MAX_ONGOING_REQUESTS", env.DROVER_MAX_ONGOING_REQUESTS, 5),
    messageBytesMax: readInteger("DROVER_MAX_MESSAGE_BYTES", env.DROVER_MAX_MESSAGE_BYTES, messageBytes.default),
    token: env.DROVER_TOKEN || undefined,
    initArgs: readInitArgs(env.DROVER_INIT_ARGS),
  };
}

function readInteger(name: string, text: string | undefined, unset: number): number {
  if (!text) return unset;
  if (!/^\d{1,15}$/.test(text)) throw new StartError(`${name} must be a whole number, not "${text}"`);
  return Number(text);
}

function readInitArgs(text: string | undefined): JsonObject {
  if (!text) return {};
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new StartError(`DROVER_INIT_ARGS is not JSON: ${cause}`);
  }
}

// Ctrl-C in a terminal reaches replicas too, but the controller stops them in order.
process.on("SIGINT", () => {});
process.on("unhandledRejection", (err) => log.error({ err }, "a promise was rejected without a handler; the replica goes on"));
process.on("uncaughtException", (err) => {
  if (isDiskFault(err)) return log.error({ err }, "the disk did not take a write that nothing waits for; the replica goes on");
  log.error({ err }, "an error was not caught; the replica ends");
  process.exit(1);
});

/** Node exits silently if only a promise is left that can never settle. */
function onNothingLeft(): void {
  process.stderr.write("the module or its constructor waits for something that can never happen: the replica ends\n");
  process.exit(1);
}
process.on("beforeExit", onNothingLeft);

start().catch((cause: unknown) => {
  process.stderr.write(`${withPathsInBundle(cause instanceof StartError ? cause.message : stackText(cause))}\n`);
  process.exit(1);
});
