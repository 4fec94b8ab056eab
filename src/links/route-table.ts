import type { DeploymentRecord } from "../core/deployment.ts";
import type { Mirror } from "../store/mirror.ts";
import type { ReplicaContact } from "./replica-port.ts";

/** Where requests may go, from the records and from what the links know. It is what a gateway asks (`gateway/endpoints.ts`). */
export class RouteTable {
  readonly #mirror: Mirror;
  readonly #contact: (replicaId: string) => ReplicaContact;
  readonly #routes = new Map<string, DeploymentRoute>();
  readonly #listeners = new Set<(deployment: string) => void>();
  /** What the replicas of each deployment served last, so that a call waits, and does not fail, while none of them runs. */
  readonly #services = new Map<string, readonly string[]>();
  /** The deployments by service; undefined: to be made anew. */
  #serving: ReadonlyMap<string, readonly string[]> | undefined;

  constructor(mirror: Mirror, contact: (replicaId: string) => ReplicaContact) {
    this.#mirror = mirror;
    this.#contact = contact;
  }

  get(deployment: string): DeploymentRoute | undefined {
    const known = this.#routes.get(deployment);
    if (known !== undefined) return known;
    const record = this.#mirror.deployment(deployment)?.value;
    if (record === undefined) return undefined;
    const route = this.#build(record);
    this.#routes.set(deployment, route);
    return route;
  }

  serving(service: string): readonly string[] {
    this.#serving ??= index(this.all());
    return this.#serving.get(service) ?? [];
  }

  all(): readonly DeploymentRoute[] {
    return [...this.#mirror.deployments().keys()].flatMap((name) => this.get(name) ?? []);
  }

  onChange(listener: (deployment: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** To be told when a record or a contact of the deployment has changed. */
  changed(deployment: string): void {
    this.#routes.delete(deployment);
    this.#serving = undefined;
    if (this.#mirror.deployment(deployment) === undefined) this.#services.delete(deployment);
    for (const listener of this.#listeners) listener(deployment);
  }

  #build(record: DeploymentRecord): DeploymentRoute {
    const contact = this.#contact;
    const running = this.#mirror
      .replicasOf(record.spec.name)
      .filter(({ value }) => value.state === "RUNNING" && contact(value.id).routable);
    const { name } = record.spec;
    if (running.length > 0) this.#services.set(name, [...new Set(running.flatMap(({ value }) => contact(value.id).services))]);
    return {
      deployment: name,
      endpoints: running.map(({ value }) => ({
        replicaId: value.id,
        address: value.address,
        invocable: contact(value.id).invocable,
        get reportedOngoing() {
          return contact(value.id).load?.ongoing;
        },
      })),
      services: this.#services.get(name) ?? [],
      maxOngoingRequests: record.spec.maxOngoingRequests,
      maxQueuedRequests: record.spec.maxQueuedRequests,
      requestTimeoutMs: record.spec.requestTimeoutMs,
      ...(record.spec.autoscalingConfig?.minReplicas === 0 ? { coldStartMs: record.spec.startupTimeoutMs } : {}),
      ...this.#hopeless(record),
    };
  }

  #hopeless({ spec: { name, autoscalingConfig, numReplicas }, revision }: DeploymentRecord): { readonly hopeless?: string } {
    if (this.#mirror.replicasOf(name).some(({ value: { state } }) => state === "STARTING" || state === "RUNNING")) return {};
    if (autoscalingConfig === undefined && numReplicas === 0) return { hopeless: "none is wanted: its num_replicas is 0" };
    const progress = this.#mirror.progress(name)?.value;
    // One that ran well comes back as soon as it can.
    const failed = progress?.revision === revision && progress.rolloutFailure !== "" && !progress.everStable;
    return failed ? { hopeless: "its rollout has failed" } : {};
  }
}

function index(routes: readonly DeploymentRoute[]): ReadonlyMap<string, readonly string[]> {
  const serving = new Map<string, string[]>();
  for (const { deployment, services } of routes) {
    for (const service of services) serving.set(service, [...(serving.get(service) ?? []), deployment]);
  }
  return serving;
}

/** A deployment as a gateway needs to know it. */
export interface DeploymentRoute {
  readonly deployment: string;
  readonly endpoints: readonly {
    readonly replicaId: string;
    readonly address: string;
    readonly invocable: boolean;
    readonly reportedOngoing: number | undefined;
  }[];
  readonly services: readonly string[];
  readonly maxOngoingRequests: number;
  readonly maxQueuedRequests: number;
  readonly requestTimeoutMs: number;
  readonly coldStartMs?: number;
  readonly hopeless?: string;
}
