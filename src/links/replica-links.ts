import type { Clock } from "../clock/clock.ts";
import type { CallResult } from "../core/config-change.ts";
import type { ReplicaRecord } from "../core/replica.ts";
import type { Log } from "../log/log.ts";
import type { WantedConfig } from "./committed.ts";
import { ReplicaLink } from "./replica-link.ts";
import { type Acquaintance, type ConfigOrder, noContact, type ReplicaContact, type ReplicaPort } from "./replica-port.ts";

/** Between two looks for a replica that is not met yet. */
const notMetMs = 20;

export interface LinksOptions {
  readonly wanted: (replica: ReplicaRecord) => WantedConfig | undefined;
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

  /** One that is not met yet, as right after the start, is waited for. */
  async tell(replicaId: string, order: ConfigOrder, signal: AbortSignal): Promise<CallResult> {
    const { clock } = this.#options;
    const untilMs = clock.nowMs() + order.answerMaxMs;
    for (;;) {
      const link = this.#links.get(replicaId);
      if (link !== undefined) return link.tell({ ...order, answerMaxMs: Math.max(1, untilMs - clock.nowMs()) }, signal);
      if (signal.aborted) return { replicaId, kind: "gone" };
      if (clock.nowMs() >= untilMs) return { replicaId, kind: "silent", message: "nothing was heard of it" };
      await clock.sleep(notMetMs, signal);
    }
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
