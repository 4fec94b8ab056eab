import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, type DescService, type MessageInitShape } from "@bufbuild/protobuf";
import { onTestFinished } from "vitest";
import { ControllerService } from "../../gen/drover/v1/controller_service_pb.ts";
import { type Deployment, DeploymentSchema, DeploymentState } from "../../gen/drover/v1/deployment_pb.ts";
import { type Condition, ConditionSchema } from "../../gen/drover/v1/facts_pb.ts";
import { InvokeService } from "../../gen/drover/v1/invoke_service_pb.ts";
import type { CliIo, ProgramDescriber } from "../../src/cli/io.ts";
import { runCli } from "../../src/cli/run-cli.ts";
import { realClock, realRandom } from "../../src/clock/real.ts";
import type { Config } from "../../src/config/config.ts";
import { StatusError } from "../../src/core/errors.ts";
import { silentLog } from "../../src/log/log.ts";
import { RpcServer } from "../../src/rpc/server.ts";
import { implement, type ServiceHandlers } from "../../src/rpc/service.ts";
import { BundleService } from "../kit/bundle-service.ts";

export type ControllerHandlers = Partial<ServiceHandlers<typeof ControllerService>>;
export type InvokeHandlers = Partial<ServiceHandlers<typeof InvokeService>>;

/** 1 January 2026. */
export const nowMs = 1_767_225_600_000;

export interface Run {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly stdin?: string;
  /** Standard output and error are a terminal. */
  readonly terminal?: boolean;
  readonly interrupted?: AbortSignal;
  /** Told of each thing printed, as it is. */
  readonly onPrint?: (text: string) => void;
  readonly start?: (config: Config) => Promise<number>;
  readonly openDescriber?: CliIo["openDescriber"];
}

/** Runs the CLI in this process. */
export async function drover(argv: readonly string[], options: RunOptions = {}): Promise<Run> {
  const { io, printed } = ioOf(options);
  const exitCode = await runCli(argv, io);
  return { exitCode, ...printed };
}

/** What the CLI uses outside its own process, and all that it prints there. */
export function ioOf(options: RunOptions): { readonly io: CliIo; readonly printed: { readonly stdout: string; readonly stderr: string } } {
  const printed = { stdout: "", stderr: "" };
  const output = (name: keyof typeof printed) => ({
    isTTY: options.terminal ?? false,
    write(chunk: string | Uint8Array) {
      const text = typeof chunk === "string" ? chunk : Buffer.from(chunk).toString("latin1");
      printed[name] += text;
      options.onPrint?.(text);
    },
  });
  const io: CliIo = {
    env: options.env ?? {},
    cwd: options.cwd ?? "/nowhere",
    author: "ada@tower",
    stdin: lines(options.stdin ?? ""),
    stdout: output("stdout"),
    stderr: output("stderr"),
    interrupted: options.interrupted ?? new AbortController().signal,
    nowMs: () => nowMs,
    sleep: (ms, signal) => realClock.sleep(ms, signal),
    newId: () => realRandom.id(20),
    ...(options.openDescriber && { openDescriber: options.openDescriber }),
    start: options.start ?? (() => Promise.reject(new Error("not in this test"))),
  };
  return { io, printed };
}

/**
 * A server with the handlers given, which keeps bundles; everything else is UNIMPLEMENTED. Gives
 * how to run the CLI against it.
 */
export async function serve(
  controller: ControllerHandlers,
  invoke: InvokeHandlers = {},
): Promise<(argv: readonly string[], options?: RunOptions) => Promise<Run>> {
  const address = await serveAt(controller, invoke);
  return (argv, options = {}) => drover(argv, { ...options, env: { DROVER_API: address, DROVER_GATEWAY: address, ...options.env } });
}

/** As `serve`, but gives the server's address. */
export async function serveAt(controller: ControllerHandlers, invoke: InvokeHandlers = {}): Promise<string> {
  const server = new RpcServer({
    implementations: [
      implement(ControllerService, complete(ControllerService, { ...new BundleService().handlers, ...controller })),
      implement(InvokeService, complete(InvokeService, invoke)),
    ],
    log: silentLog,
    clock: realClock,
  });
  const address = await server.listen("127.0.0.1:0");
  onTestFinished(() => server.close(0));
  return address;
}

/** A describer of files that answers with what `describe` returns. */
export const describing =
  (describe: (...given: Parameters<ProgramDescriber["describe"]>[0]) => ReturnType<ProgramDescriber["describe"]>) =>
  (): ProgramDescriber => ({ describe: (given) => describe(...given), prepare: () => {}, close: () => {} });

/** A new folder with the files given; gone after the test. */
export async function folder(files: Readonly<Record<string, string | Uint8Array>>): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "drover-cli-"));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) await writeFile(join(path, name), text);
  return path;
}

type Facts = { readonly [K in keyof NonNullable<Deployment["status"]>]?: NonNullable<Deployment["status"]>[K] };

/** A deployment of two replicas, both running, with the facts given. */
export function deploymentOf(name: string, facts: Facts = {}): MessageInitShape<typeof DeploymentSchema> {
  const { $typeName: _, ...status } = { $typeName: "", ...facts };
  return create(DeploymentSchema, {
    spec: { name, program: { kind: { case: "module", value: { path: `/apps/${name}.ts` } } }, numReplicas: 2 },
    status: {
      state: DeploymentState.HEALTHY,
      generation: 1n,
      observedGeneration: 1n,
      revision: 1n,
      targetReplicas: 2,
      runningReplicas: 2,
      updatedReplicas: 2,
      ...status,
    },
    uid: `uid-of-${name}`,
    createTime: { seconds: BigInt(nowMs / 1000 - 3_700), nanos: 0 },
  });
}

/** Conditions, each of which says something. */
export const conditionsOf = (...conditions: readonly MessageInitShape<typeof ConditionSchema>[]): Condition[] =>
  conditions.map((condition) => create(ConditionSchema, condition));

function complete<S extends DescService>(service: S, handlers: Partial<ServiceHandlers<S>>): ServiceHandlers<S> {
  const unimplemented = Object.fromEntries(
    service.methods.map((method) => [
      method.localName,
      () => {
        throw new StatusError("UNIMPLEMENTED", `${method.name} is not in this test`);
      },
    ]),
  );
  return { ...unimplemented, ...handlers } as ServiceHandlers<S>;
}

async function* lines(text: string): AsyncGenerator<string> {
  yield text;
}
