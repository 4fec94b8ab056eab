import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fromJson, type JsonValue, toJsonString } from "@bufbuild/protobuf";
import { ControllerService, type DeployResponse } from "../../gen/drover/v1/controller_service_pb.ts";
import { type DeploymentSpec, DeploymentSpecSchema, DeploymentState, RuntimeEnvSchema } from "../../gen/drover/v1/deployment_pb.ts";
import { realClock, realRandom } from "../clock/real.ts";
import { StatusError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import { programDigest } from "../program/program-digest.ts";
import { Channel } from "../rpc/channel.ts";
import type { Client } from "../rpc/service.ts";

/** How long the API may take to answer `Deploy`. */
const deployMs = 30_000;
/** Attempts of one `Deploy`, and the wait between them. */
const triesMax = 3;
const retryMs = 500;
const idLength = 20;

/** The options of {@link deploy}, which `RunOptions` has too. */
export interface DeployOptions {
  /** The controller's API, `host:port`. Default: the variable `DROVER_API`, else 127.0.0.1:9001. */
  readonly api?: string;
  /** Stops waiting when it aborts; the deployment goes on. */
  readonly signal?: AbortSignal;
}

/** Deploys `spec`, whose module is the file `path`, and waits until the deployment is healthy. */
export async function deploy(spec: JsonObject, path: string, options: DeployOptions): Promise<void> {
  const channel = new Channel(options.api ?? (process.env.DROVER_API || "127.0.0.1:9001"));
  const signal = options.signal ? { signal: options.signal } : {};
  try {
    const controller = channel.client(ControllerService);
    const message = fromJson(DeploymentSpecSchema, spec as JsonValue);
    // The controller may run in any folder, so a relative working folder is relative to the module.
    if (message.runtimeEnv?.workingDir) message.runtimeEnv.workingDir = resolve(dirname(path), message.runtimeEnv.workingDir);
    // The same digest as the CLI's, so that either finds the other's deployment unchanged.
    const environment = message.runtimeEnv ? toJsonString(RuntimeEnvSchema, message.runtimeEnv) : "";
    message.version ||= programDigest([path], `${environment}\0`, readBytes);
    const { deployment } = await deployOnce(controller, message, signal);
    await untilHealthy(controller, String(spec.name), deployment?.status?.generation ?? 0n, signal);
  } finally {
    channel.close();
  }
}

/**
 * Calls again if the answer is lost with the connection. With the same request id, all the calls
 * have one effect.
 */
async function deployOnce(
  controller: Client<typeof ControllerService>,
  spec: DeploymentSpec,
  signal: { readonly signal?: AbortSignal },
): Promise<DeployResponse> {
  const requestId = realRandom.id(idLength);
  for (let tries = 1; ; tries++) {
    try {
      return await controller.deploy({ spec, requestId }, { ...signal, deadlineMs: deployMs });
    } catch (error) {
      const isLost = error instanceof StatusError && error.code === "UNAVAILABLE" && error.reason === undefined;
      if (!isLost || tries === triesMax || signal.signal?.aborted) throw error;
      await realClock.sleep(retryMs, signal.signal);
    }
  }
}

async function untilHealthy(
  controller: Client<typeof ControllerService>,
  name: string,
  generation: bigint,
  signal: { readonly signal?: AbortSignal },
): Promise<void> {
  for await (const { event } of controller.watchDeployments({ names: [name] }, signal)) {
    if (event.case === "deploymentDeleted") throw new StatusError("ABORTED", `deployment "${name}" was deleted`);
    const status = event.case === "deploymentUpdated" ? event.value.status : undefined;
    if (!status || status.observedGeneration < generation) continue;
    if (status.state === DeploymentState.HEALTHY) return;
    if (status.state === DeploymentState.DEPLOY_FAILED) throw new StatusError("FAILED_PRECONDITION", status.message);
  }
  throw new StatusError("UNAVAILABLE", "the watch of the deployment ended before it was healthy");
}

function readBytes(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}
