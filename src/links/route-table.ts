import { messageBytes } from "../core/message-bounds.ts";
import { type RoutableContact, type Route, routeOf } from "../core/traffic/route.ts";
import type { Mirror } from "../store/mirror.ts";

/** What routes are made from. */
export interface RouteSources {
  readonly mirror: Mirror;
  readonly contact: (replicaId: string) => RoutableContact;
  /** The requests in work of a replica's last report. Undefined: no report. */
  readonly reported: (replicaId: string) => number | undefined;
  /** The controller's bound on messages, in bytes. Default: 64 MiB. */
  readonly messageBytesMax?: number | undefined;
}

/**
 * The routes of all deployments, from the records and the links. Implements what a gateway reads
 * (`gateway/routes.ts`).
 */
export class RouteTable {
  readonly #sources: RouteSources;
  readonly #routes = new Map<string, Route>();
  readonly #changeListeners = new Set<(deployment: string) => void>();
  readonly #reportListeners = new Set<(replicaId: string, ongoing: number) => void>();
  /** The services that each deployment's replicas served last. */
  readonly #services = new Map<string, readonly string[]>();
  /** The deployments by service. Undefined: must be rebuilt. */
  #serving: ReadonlyMap<string, readonly string[]> | undefined;

  constructor(sources: RouteSources) {
    this.#sources = sources;
  }

  get(deployment: string): Route | undefined {
    const known = this.#routes.get(deployment);
    if (known !== undefined) return known;
    const { mirror, contact, messageBytesMax = messageBytes.default } = this.#sources;
    const record = mirror.deployment(deployment)?.value;
    if (record === undefined) return undefined;
    const route = routeOf({
      deployment: record,
      progress: mirror.progress(deployment)?.value,
      replicas: mirror.replicasOf(deployment).map(({ value }) => value),
      contact,
      servicesBefore: this.#services.get(deployment) ?? [],
      messageBytesMax,
    });
    this.#services.set(deployment, route.services);
    this.#routes.set(deployment, route);
    return route;
  }

  serving(service: string): readonly string[] {
    this.#serving ??= index(this.all());
    return this.#serving.get(service) ?? [];
  }

  all(): readonly Route[] {
    return [...this.#sources.mirror.deployments().keys()].flatMap((name) => this.get(name) ?? []);
  }

  onChange(listener: (deployment: string) => void): () => void {
    this.#changeListeners.add(listener);
    return () => this.#changeListeners.delete(listener);
  }

  reported(replicaId: string): number | undefined {
    return this.#sources.reported(replicaId);
  }

  onReport(listener: (replicaId: string, ongoing: number) => void): () => void {
    this.#reportListeners.add(listener);
    return () => this.#reportListeners.delete(listener);
  }

  /** Must be called when a record or a contact of the deployment has changed. */
  changed(deployment: string): void {
    this.#routes.delete(deployment);
    this.#serving = undefined;
    if (this.#sources.mirror.deployment(deployment) === undefined) this.#services.delete(deployment);
    for (const listener of this.#changeListeners) listener(deployment);
  }

  /** Must be called when all records were read again: deployments may be gone without a change of their own. */
  reset(): void {
    for (const name of new Set([...this.#routes.keys(), ...this.#services.keys(), ...this.#sources.mirror.deployments().keys()]))
      this.changed(name);
  }

  /** Must be called with each load report of a replica. */
  report(replicaId: string, ongoing: number): void {
    for (const listener of this.#reportListeners) listener(replicaId, ongoing);
  }
}

function index(routes: readonly Route[]): ReadonlyMap<string, readonly string[]> {
  const serving = new Map<string, string[]>();
  for (const { deployment, services } of routes) {
    for (const service of services) serving.set(service, [...(serving.get(service) ?? []), deployment]);
  }
  return serving;
}
