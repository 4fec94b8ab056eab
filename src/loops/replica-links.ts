import type { Clock } from "../clock/clock.ts";
import type { Log } from "../log/log.ts";
import { ReplicaLink } from "./replica-link.ts";
import { type Acquaintance, noContact, type ReplicaContact, type ReplicaPort } from "./replica-port.ts";

export interface LinksOptions {
  readonly epoch: () => number | undefined;
  readonly gatewayOngoing: (replicaId: string) => number;
  readonly clock: Clock;
  readonly log: Log;
}

/** The links to all replicas that have a process. */
export class ReplicaLinks implements ReplicaPort {
  readonly #options: LinksOptions;
  readonly #links = new Map<string, ReplicaLink>();
  readonly #listeners = new Set<(deployment: string) => void>();
  readonly #closing = new Set<Promise<void>>();

  constructor(options: LinksOptions) {
    this.#options = options;
  }

  /** Calls `listener` with the name of a deployment when something is learnt of one of its replicas; load reports alone do not count. */
  onChange(listener: (deployment: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  contact(replicaId: string): ReplicaContact {
    return this.#links.get(replicaId)?.contact ?? noContact;
  }

  meet(replicas: readonly Acquaintance[]): void {
    const wanted = new Set<string>();
    for (const acquaintance of replicas) {
      const { id, deployment } = acquaintance.replica;
      wanted.add(id);
      let link = this.#links.get(id);
      if (link === undefined) {
        link = new ReplicaLink({ ...this.#options, acquaintance, onChange: () => this.#tell(deployment) });
        this.#links.set(id, link);
      }
      link.update(acquaintance);
    }
    for (const [id, link] of this.#links) {
      if (!wanted.has(id)) this.#drop(id, link);
    }
  }

  async close(): Promise<void> {
    for (const [id, link] of this.#links) this.#drop(id, link);
    await Promise.all(this.#closing);
  }

  #drop(id: string, link: ReplicaLink): void {
    this.#links.delete(id);
    const closing = link.close().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  #tell(deployment: string): void {
    for (const listener of this.#listeners) listener(deployment);
  }
}
