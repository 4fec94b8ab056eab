import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { ReconfigurePhase, ReplicaService } from "../../gen/drover/replica/v1/replica_service_pb.ts";
import { type InvokeResponse, InvokeService } from "../../gen/drover/v1/invoke_service_pb.ts";
import { realClock, realRandom } from "../../src/clock/real.ts";
import type { StatusError } from "../../src/core/errors.ts";
import type { Json, JsonObject } from "../../src/core/json.ts";
import { messageBytes } from "../../src/core/message-bounds.ts";
import type { Definition } from "../../src/program/definition.ts";
import { createProgram } from "../../src/replica/program.ts";
import { ReplicaServer } from "../../src/replica/replica-server.ts";
import { createReplicaLog } from "../../src/replica/stderr-log.ts";
import { Channel } from "../../src/rpc/channel.ts";
import { jsonToValue, valueToJson } from "../../src/rpc/json-value.ts";
import type { CallOptions, Client } from "../../src/rpc/service.ts";

/** A folder that goes with the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "drover-replica-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export interface ServeOptions {
  readonly initArgs?: JsonObject;
  readonly maxOngoingRequests?: number;
  readonly messageBytesMax?: number;
  readonly token?: string;
  /** Default: `echo`. */
  readonly deployment?: string;
}

/** Serves a definition in this process, on a unix socket of its own, until the test ends. */
export async function serve(
  definition: Definition,
  { initArgs = {}, maxOngoingRequests = 100, messageBytesMax, token, deployment = "echo" }: ServeOptions = {},
) {
  const logged: { requestId?: string; err?: { message: string; stack: string } }[] = [];
  const server = new ReplicaServer(await createProgram(definition, initArgs), {
    identity: { replicaId: `${deployment}-1`, deployment, revision: 7 },
    maxOngoingRequests,
    ...(messageBytesMax !== undefined && { messageBytesMax }),
    token,
    log: createReplicaLog((line) => logged.push(JSON.parse(line)), realClock),
    clock: realClock,
    random: realRandom,
  });
  const address = await server.listen(`unix:${join(await temporaryFolder(), "replica.sock")}`);
  const channel = new Channel(address, { messageBytesMax: messageBytes.max });
  onTestFinished(async () => {
    channel.close();
    await server.close(0);
  });
  return { server, address, channel, logged, replica: channel.client(ReplicaService), ...invoker(channel) };
}

/** Calls of a program's methods, in plain values. */
export function invoker(channel: Channel) {
  const invokeService = channel.client(InvokeService);
  const request = (method: string, input: unknown) => ({
    method,
    input: input instanceof Uint8Array ? { case: "bytes" as const, value: input } : { case: "json" as const, value: jsonToValue(input) },
  });
  return {
    invokeService,
    invoke: async (method: string, input?: unknown, options?: CallOptions) =>
      plain(await invokeService.invoke(request(method, input), options)),
    stream: async function* (method: string, input?: unknown, options?: CallOptions) {
      for await (const response of invokeService.invokeServerStream(request(method, input), options)) yield plain(response);
    },
  };
}

function plain({ output }: Pick<InvokeResponse, "output">): unknown {
  return output.case === "json" ? valueToJson(output.value) : output.value;
}

/** A change of `user_config`, as `Reconfigure` takes it; undefined: the deployment has none. */
export function change(generation: number, userConfig?: Json, rest: ChangeOptions = {}) {
  const { phase = ReconfigurePhase.APPLY, epoch = 1, ...more } = rest;
  const config = userConfig === undefined ? {} : { userConfig: jsonToValue(userConfig) };
  return { phase, configGeneration: BigInt(generation), epoch: BigInt(epoch), ...config, ...more };
}

export interface ChangeOptions {
  readonly phase?: ReconfigurePhase;
  readonly epoch?: number;
  readonly maxOngoingRequests?: number;
}

/** The phases of a change as functions, which give the generation served by when they end. */
export function steps({ replica }: { readonly replica: Client<typeof ReplicaService> }) {
  const step = (phase: ReconfigurePhase) => async (generation: number, userConfig?: Json, rest?: ChangeOptions) =>
    Number((await replica.reconfigure(change(generation, userConfig, { ...rest, phase }))).configGeneration);
  return { prepare: step(ReconfigurePhase.PREPARE), apply: step(ReconfigurePhase.APPLY), revert: step(ReconfigurePhase.REVERT) };
}

/** What a call that must fail failed with. */
export async function failure(call: Promise<unknown>): Promise<StatusError> {
  try {
    await call;
  } catch (error) {
    return error as StatusError;
  }
  throw new Error("the call succeeded");
}

/** A promise and what settles it. */
export function gate<T = void>() {
  return Promise.withResolvers<T>();
}
