import { dirname, resolve } from "node:path";
import { fromJson, type JsonValue } from "@bufbuild/protobuf";
import { type ApplyResponse, ControllerService } from "../../gen/drover/v1/controller_service_pb.ts";
import { type DeploymentSpec, DeploymentSpecSchema, DeploymentState } from "../../gen/drover/v1/deployment_pb.ts";
import { inCode } from "../bundle/bundle-error.ts";
import { BundleProgress } from "../bundle/bundle-progress.ts";
import { fillWithoutBundle } from "../bundle/fill-without-bundle.ts";
import { folderOfSpec, placeInOwnBundle, putIntoBundle } from "../bundle/put-into-bundle.ts";
import { sendBundle } from "../bundle/send-bundle.ts";
import { realClock, realRandom } from "../clock/real.ts";
import { StatusError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import { Channel } from "../rpc/channel.ts";
import { retryLost } from "../rpc/retry-lost.ts";
import type { Client } from "../rpc/service.ts";

/** How long the API may take to answer `Apply`. */
const applyMs = 30_000;
const idLength = 20;

/** The options of {@link deploy}, which `RunOptions` has too. */
export interface DeployOptions {
  /** The controller's API, `host:port`. Default: the variable `DROVER_API`, else 127.0.0.1:9001. */
  readonly api?: string;
  /**
   * The folder that is sent with the program, relative to the module, which the replicas then run
   * in; false: none is, and the paths are of the controller's machine. Default: the nearest folder,
   * the module's own or one above it, with a package.json, pyproject.toml or requirements.txt; else
   * the module's own.
   */
  readonly bundle?: string | false;
  /** False: the packages of the lockfile in that folder are not installed. Default: true. */
  readonly lockfile?: boolean;
  /** Replace the replicas also where nothing has changed. Default: false. */
  readonly redeploy?: boolean;
  /** Stops waiting when it aborts; the deployment goes on. */
  readonly signal?: AbortSignal;
}

/** What `ApplyRequest` says of the application. */
interface OfApplication {
  /** Empty: each spec says its own. */
  readonly application: string;
  readonly prune: boolean;
}

/** Deploys all `specs`, whose module is the file `path`, and waits until they are healthy. */
export async function deploy(
  specs: readonly JsonObject[],
  application: OfApplication,
  path: string,
  options: DeployOptions,
): Promise<void> {
  const channel = new Channel(options.api ?? (process.env.DROVER_API || "127.0.0.1:9001"));
  const { signal = new AbortController().signal } = options;
  try {
    const controller = channel.client(ControllerService);
    const messages = specs.map((spec) => specMessage(spec, path));
    if (options.bundle === false) {
      for (const message of messages) if (!message.runtimeEnv?.bundle) fillWithoutBundle(message);
    } else {
      const bundle = options.bundle === undefined ? undefined : resolve(dirname(path), options.bundle);
      await bundleAll(controller, messages, { ...options, bundle }, signal);
    }
    const request = { ...application, redeploy: options.redeploy ?? false };
    const { results } = await applyOnce(controller, messages, request, signal);
    const generations = messages.map(({ name }, at) => [name, results[at]?.deployment?.status?.generation ?? 0n] as const);
    await untilHealthy(controller, new Map(generations), signal);
  } finally {
    channel.close();
  }
}

function specMessage(spec: JsonObject, path: string): DeploymentSpec {
  const message = fromJson(DeploymentSpecSchema, spec as JsonValue);
  // The controller may run in any folder, so a relative working folder is relative to the module.
  if (message.runtimeEnv?.workingDir) message.runtimeEnv.workingDir = resolve(dirname(path), message.runtimeEnv.workingDir);
  return message;
}

/** Sends the files of the program, and makes the specs name their bundle. */
async function bundleAll(
  controller: Client<typeof ControllerService>,
  messages: readonly DeploymentSpec[],
  { bundle, lockfile = true }: DeployOptions & { readonly bundle: string | undefined },
  signal: AbortSignal,
): Promise<void> {
  for (const message of messages) placeInOwnBundle(message, bundle, inCode);
  const own = messages.filter(({ runtimeEnv }) => !runtimeEnv?.bundle);
  const folder = own[0] && folderOfSpec(own[0], bundle, inCode);
  if (folder === undefined) return;
  const call = () => ({ signal, deadlineMs: applyMs });
  const progress = new BundleProgress(folder, process.stderr, () => realClock.nowMs());
  const sent = await sendBundle(folder, { controller, call, sleep, names: inCode, events: progress }).finally(() => progress.close());
  const into = { digest: sent.digest, fillLockfile: lockfile, names: inCode };
  const notes = new Set(own.flatMap((message) => putIntoBundle(message, sent, into) ?? []));
  for (const note of notes) process.stderr.write(`${note}\n`);
}

/** Of an `Apply` that is repeated, all calls have one effect: they have the same request id. */
function applyOnce(
  controller: Client<typeof ControllerService>,
  specs: DeploymentSpec[],
  application: OfApplication & { readonly redeploy: boolean },
  signal: AbortSignal,
): Promise<ApplyResponse> {
  const request = { specs, ...application, requestId: realRandom.id(idLength) };
  return retryLost(() => controller.apply(request, { signal, deadlineMs: applyMs }), sleep, signal);
}

const sleep = (ms: number, signal: AbortSignal): Promise<void> => realClock.sleep(ms, signal);

/** Waits until each deployment is healthy at its generation. */
async function untilHealthy(
  controller: Client<typeof ControllerService>,
  generations: ReadonlyMap<string, bigint>,
  signal: AbortSignal,
): Promise<void> {
  const waiting = new Map(generations);
  for await (const { event } of controller.watchDeployments({ names: [...generations.keys()] }, { signal })) {
    if (event.case === "deploymentDeleted" && waiting.has(event.value))
      throw new StatusError("ABORTED", `deployment "${event.value}" was deleted`);
    const { spec, status } = event.case === "deploymentUpdated" ? event.value : {};
    const generation = waiting.get(spec?.name ?? "");
    if (!spec || !status || generation === undefined || status.observedGeneration < generation) continue;
    if (status.state === DeploymentState.HEALTHY) waiting.delete(spec.name);
    if (waiting.size === 0) return;
    if (status.state === DeploymentState.DEPLOY_FAILED) throw new StatusError("FAILED_PRECONDITION", status.message);
  }
  throw new StatusError("UNAVAILABLE", "the watch of the deployments ended before they were healthy");
}
