import type { MessageInitShape } from "@bufbuild/protobuf";
import { create, type DescMessage, type MessageShape, toJsonString } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  ControllerService,
  type DeleteDeploymentRequest,
  type DeployRequest,
  DeployRequestSchema,
  DeployResponseSchema,
  type GetClusterResponseSchema,
  LogStream,
  type RollbackRequest,
  type ScaleRequest,
  type WatchDeploymentsRequest,
  type WatchDeploymentsResponseSchema,
  type WatchLogsRequest,
  type WatchLogsResponseSchema,
} from "../../gen/drover/v1/controller_service_pb.ts";
import type { Deployment } from "../../gen/drover/v1/deployment_pb.ts";
import type { Clock, Random } from "../clock/clock.ts";
import { firstRecord, nextRecord, rolledBack } from "../core/change.ts";
import type { DeploymentRecord } from "../core/deployment.ts";
import { refusal } from "../core/errors.ts";
import { hasEnded, holds } from "../core/replica.ts";
import { allocated, type Capacity } from "../core/resources.ts";
import { type CallContext, type Implementation, implement, type ServiceHandlers } from "../rpc/service.ts";
import { checkRequest } from "../rpc/validate.ts";
import type { Mirror } from "../store/mirror.ts";
import type { Store } from "../store/store.ts";
import { changesToMessage } from "./changes.ts";
import { deploymentToMessage, type Observed, replicaToMessage, resourcesToMessage, specFromMessage } from "./convert.ts";
import { DeploymentFeed, type FeedEvent } from "./deployment-feed.ts";
import { followLogs, type LogLine } from "./follow-logs.ts";
import { answerOf, changeTimeMs, fingerprintOf, type MutationResult, mutate } from "./mutations.ts";
import { pageOf } from "./pages.ts";
import { revisionsToMessage, revisionToGoBackTo, revisionWrites } from "./revisions.ts";

const uidLength = 20;
const tailLinesDefault = 100;
/** Pending replicas told by `GetCluster`. */
const pendingMax = 1_000;

export interface ControllerServiceOptions {
  readonly store: Store;
  readonly mirror: Mirror;
  readonly observed: Observed;
  readonly capacity: () => Capacity;
  /** The output of a replica, as `Engine.logs`. */
  readonly logs: (
    replicaId: string,
    options: { readonly tailLines: number; readonly follow: boolean },
    signal: AbortSignal,
  ) => AsyncIterable<LogLine>;
  readonly clock: Clock;
  readonly random: Random;
}

/** The handlers of `drover.v1.ControllerService`. */
export class ControllerApi {
  readonly implementation: Implementation;
  readonly #options: ControllerServiceOptions;
  readonly #feed: DeploymentFeed;

  constructor(options: ControllerServiceOptions) {
    this.#options = options;
    this.#feed = new DeploymentFeed(options.mirror, (name) => this.#current(name));
    this.implementation = implement(ControllerService, checked(this.#handlers()));
  }

  close(): void {
    this.#feed.close();
  }

  #handlers(): ServiceHandlers<typeof ControllerService> {
    const { mirror, observed } = this.#options;
    return {
      deploy: (request) => this.#deploy(request),
      getDeployment: async ({ name }) => {
        await this.#catchUp();
        return { deployment: this.#current(name) ?? notFound(name) };
      },
      listDeployments: async ({ pageSize, pageToken }) => {
        await this.#catchUp();
        const page = pageOf(mirror.deployments().keys(), (name) => name, pageSize, pageToken);
        return { deployments: page.items.flatMap((name) => this.#current(name) ?? []), nextPageToken: page.nextPageToken };
      },
      deleteDeployment: (request) => this.#delete(request),
      watchDeployments: (request, context) => this.#watch(request, context),
      scale: (request) => this.#scale(request),
      listRevisions: async ({ name }) => {
        await this.#catchUp();
        return { revisions: [...revisionsToMessage(mirror, mirror.deployment(name)?.value ?? notFound(name))] };
      },
      rollback: (request) => this.#rollback(request),
      listReplicas: async ({ deployment, pageSize, pageToken }) => {
        await this.#catchUp();
        if (deployment !== "" && mirror.deployment(deployment) === undefined) notFound(deployment);
        const entries = deployment === "" ? mirror.replicas().values() : mirror.replicasOf(deployment);
        const page = pageOf(entries, ({ value }) => `${value.deployment}/${value.id}`, pageSize, pageToken);
        return { replicas: page.items.map(({ value }) => replicaToMessage(value, observed)), nextPageToken: page.nextPageToken };
      },
      watchLogs: (request, context) => this.#watchLogs(request, context),
      getCluster: () => this.#cluster(),
    };
  }

  /** Reads see every write answered before; while the store is away they see what was known last. */
  async #catchUp(): Promise<void> {
    await this.#options.mirror.catchUp().catch(() => {});
  }

  #current(name: string): Deployment | undefined {
    const record = this.#options.mirror.deployment(name)?.value;
    return record === undefined ? undefined : this.#compose(record);
  }

  #compose(record: DeploymentRecord): Deployment {
    const { mirror, observed } = this.#options;
    const { name } = record.spec;
    return deploymentToMessage(
      record,
      mirror.progress(name)?.value,
      mirror.replicasOf(name).map(({ value }) => value),
      observed,
    );
  }

  async #deploy(request: DeployRequest): Promise<MessageInitShape<typeof DeployResponseSchema>> {
    const { store, mirror, clock, random } = this.#options;
    if (request.spec === undefined) throw new Error("validation lets no request without a spec through");
    const spec = specFromMessage(request.spec);
    const uid = random.id(uidLength);
    const change = (before: DeploymentRecord | undefined): DeploymentRecord => {
      const expected = request.expectedGeneration;
      if (expected !== undefined && Number(expected) !== (before?.generation ?? 0)) {
        throw refusal("CONFLICT", `deployment "${spec.name}" is at generation ${before?.generation ?? 0}, not ${expected}: read it again`, {
          metadata: { deployment: spec.name, generation: String(before?.generation ?? 0) },
        });
      }
      if (before?.deletingSinceMs !== undefined) throw deleting(spec.name);
      const nowMs = changeTimeMs(clock, before);
      return before === undefined ? firstRecord(spec, uid, nowMs) : nextRecord(before, spec, nowMs);
    };
    if (request.validateOnly) {
      await this.#catchUp();
      const before = (await store.get("deployment", spec.name))?.value;
      return { deployment: this.#compose(change(before)), ...changesToMessage(before?.spec, spec) };
    }
    const answer = (record: DeploymentRecord | undefined, before: DeploymentRecord | undefined) =>
      record === undefined ? {} : { deployment: this.#compose(record), ...changesToMessage(before?.spec, spec) };
    const result = await mutate(store, {
      name: spec.name,
      change,
      beside: (after, before) => revisionWrites(mirror, after, before),
      ...(request.requestId === ""
        ? {}
        : {
            request: {
              id: request.requestId,
              fingerprint: fingerprintOf(DeployRequestSchema, request),
              answer: (record, before) => toJsonString(DeployResponseSchema, create(DeployResponseSchema, answer(record, before))),
            },
          }),
    });
    return result.kind === "replayed" ? answerOf(DeployResponseSchema, result.answer) : answer(result.record, result.before);
  }

  async #scale({ name, numReplicas }: ScaleRequest): Promise<{ readonly deployment: Deployment }> {
    const { store, clock } = this.#options;
    const result = await mutate(store, {
      name,
      change: (before) => {
        if (before === undefined) return notFound(name);
        if (before.deletingSinceMs !== undefined) throw deleting(name);
        if (numReplicas === undefined || numReplicas === before.spec.numReplicas) return before;
        return {
          ...before,
          spec: { ...before.spec, numReplicas },
          generation: before.generation + 1,
          updatedAtMs: changeTimeMs(clock, before),
        };
      },
    });
    return { deployment: this.#compose(recordOf(result)) };
  }

  async #rollback({ name, revision }: RollbackRequest): Promise<{ readonly deployment: Deployment }> {
    const { store, mirror, clock } = this.#options;
    await mirror.catchUp();
    const result = await mutate(store, {
      name,
      change: (before) => {
        if (before === undefined) return notFound(name);
        if (before.deletingSinceMs !== undefined) throw deleting(name);
        const to = revisionToGoBackTo(mirror, before, Number(revision));
        return to.revision === before.revision ? before : rolledBack(before, to, changeTimeMs(clock, before));
      },
    });
    return { deployment: this.#compose(recordOf(result)) };
  }

  async #delete({ name, allowMissing }: DeleteDeploymentRequest): Promise<{ readonly deployment?: Deployment }> {
    const { store, clock } = this.#options;
    const result = await mutate(store, {
      name,
      change: (before) => {
        if (before === undefined) return allowMissing ? undefined : notFound(name);
        if (before.deletingSinceMs !== undefined) return before;
        const nowMs = changeTimeMs(clock, before);
        return { ...before, generation: before.generation + 1, updatedAtMs: nowMs, deletingSinceMs: nowMs };
      },
    });
    return result.kind === "done" && result.record !== undefined ? { deployment: this.#compose(result.record) } : {};
  }

  async *#watch(
    request: WatchDeploymentsRequest,
    { signal }: CallContext,
  ): AsyncGenerator<MessageInitShape<typeof WatchDeploymentsResponseSchema>> {
    const { mirror } = this.#options;
    await this.#catchUp();
    const wanted = (name: string) => request.names.length === 0 || request.names.includes(name);
    const { revision } = mirror;
    const resume = Number(request.resumeRevision);
    const watch = this.#feed.watch(resume === 0 ? revision : resume);
    const stop = () => watch.end();
    signal.addEventListener("abort", stop);
    try {
      // Composed at once, so that it is all of one revision.
      const first =
        resume === 0
          ? [...mirror.deployments().keys()].map((name): FeedEvent => ({ revision, name, deployment: this.#current(name) }))
          : watch.backlog;
      for (const event of first) if (wanted(event.name)) yield eventToMessage(event);
      yield { event: { case: "synced", value: {} }, revision: BigInt(revision) };
      for await (const event of watch.events()) if (wanted(event.name)) yield eventToMessage(event);
    } finally {
      signal.removeEventListener("abort", stop);
      watch.close();
    }
    throw refusal("SHUTTING_DOWN", "the controller is stopping: watch again", { retryAfterMs: 1_000 });
  }

  async *#watchLogs(request: WatchLogsRequest, { signal }: CallContext): AsyncGenerator<MessageInitShape<typeof WatchLogsResponseSchema>> {
    const { mirror, logs } = this.#options;
    await this.#catchUp();
    if (mirror.deployment(request.deployment) === undefined) notFound(request.deployment);
    const options = { tailLines: request.tailLines ?? tailLinesDefault, follow: request.follow };
    const ids = () =>
      mirror
        .replicasOf(request.deployment)
        .flatMap(({ value }) => (request.replicaId === "" || value.id === request.replicaId ? value.id : []));
    if (request.replicaId !== "" && ids().length === 0) {
      throw refusal("REPLICA_NOT_FOUND", `deployment "${request.deployment}" has no replica "${request.replicaId}"`, {
        metadata: { replica: request.replicaId },
      });
    }
    if (request.follow) {
      const lines = followLogs(
        {
          ids,
          hasEnded: (id) => hasEnded(mirror.replica(id)?.value.state ?? "STOPPED"),
          open: (id, whole, stop) => logs(id, whole ? { tailLines: Number.MAX_SAFE_INTEGER, follow: true } : options, stop),
          subscribe: (changed) => mirror.subscribe(changed),
        },
        signal,
      );
      for await (const line of lines) yield logLineToMessage(line);
    } else {
      for (const id of ids()) for await (const line of logs(id, options, signal)) yield logLineToMessage(line);
    }
  }

  async #cluster(): Promise<MessageInitShape<typeof GetClusterResponseSchema>> {
    const { store, mirror, capacity } = this.#options;
    await this.#catchUp();
    const { controllers, leader, epoch } = await store.controllers();
    const replicas = [...mirror.replicas().values()].map(({ value }) => value);
    const held = replicas.filter(({ state }) => holds(state));
    const { cpuMilli, gpuCount, memoryBytes } = capacity();
    return {
      capacity: resourcesToMessage({ cpuMilli, gpuMilli: gpuCount * 1_000, memoryBytes }),
      allocated: resourcesToMessage(allocated(held)),
      pending: replicas
        .filter(({ state }) => state === "PENDING")
        .sort((a, b) => a.createdAtMs - b.createdAtMs)
        .slice(0, pendingMax)
        .map(({ id, deployment, resources, message }) => ({
          replicaId: id,
          deployment,
          resources: resourcesToMessage(resources),
          message,
        })),
      controllers: controllers.map(({ id, startedAtMs }) => ({
        controllerId: id,
        leader: id === leader,
        epoch: BigInt(id === leader ? epoch : 0),
        startTime: timestampFromMs(startedAtMs),
      })),
      revision: BigInt(mirror.revision),
    };
  }
}

function notFound(name: string): never {
  throw refusal("DEPLOYMENT_NOT_FOUND", `no deployment "${name}"`, { metadata: { deployment: name } });
}

function deleting(name: string): Error {
  return refusal("DEPLOYMENT_DELETING", `deployment "${name}" is being deleted: wait until it is gone`, {
    retryAfterMs: 1_000,
    metadata: { deployment: name },
  });
}

function recordOf(result: MutationResult): DeploymentRecord {
  if (result.kind === "done" && result.record !== undefined) return result.record;
  throw new Error("a change of a deployment leaves one");
}

/** The same handlers behind a check of every field of the request. */
function checked<H extends Readonly<Record<string, unknown>>>(handlers: H): H {
  return Object.fromEntries(
    Object.entries(handlers).map(([name, handler]) => {
      const method = ControllerService.method[name as keyof typeof ControllerService.method];
      return [
        name,
        (request: MessageShape<DescMessage>, context: CallContext) => {
          checkRequest(method.input, request as never);
          return (handler as (request: unknown, context: CallContext) => unknown)(request, context);
        },
      ];
    }),
  ) as H;
}

function eventToMessage({ name, deployment, revision }: FeedEvent): MessageInitShape<typeof WatchDeploymentsResponseSchema> {
  const event =
    deployment === undefined
      ? ({ case: "deploymentDeleted", value: name } as const)
      : ({ case: "deploymentUpdated", value: deployment } as const);
  return { event, revision: BigInt(revision) };
}

function logLineToMessage({ replicaId, stream, line }: LogLine): MessageInitShape<typeof WatchLogsResponseSchema> {
  return { replicaId, stream: stream === "stdout" ? LogStream.STDOUT : LogStream.STDERR, line };
}
