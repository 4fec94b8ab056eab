import type { Clock } from "../clock/clock.ts";
import type { CallResult } from "../core/config-change.ts";
import type { ReplicaRecord } from "../core/replica.ts";
import { listenMs } from "../core/traffic/silence.ts";
import type { Log } from "../log/log.ts";
import { ReplicaLink } from "./replica-link.ts";
import { type ConfigOrder, type LinkedReplica, type LiveReplicaPort, noContact, type ReplicaContact } from "./replica-port.ts";
import type { WantedConfig } from "./wanted-config.ts";

/** How often a link that does not exist yet is looked up. */
const linkPollMs = 20;

export interface LinksOptions {
  readonly wanted: (replica: ReplicaRecord) => WantedConfig | undefined;
  readonly epoch: () => number | undefined;
  /** Returns the requests in work that gateways sent to a replica. */
  readonly given: (replicaId: string) => number;
  readonly clock: Clock;
  readonly log: Log;
}

/** The links to all replicas that have a process and an address. */
export class ReplicaLinks implements LiveReplicaPort {
  readonly #options: LinksOptions;
  readonly #links = new Map<string, ReplicaLink>();
  readonly #changeListeners = new Set<(deployment: string) => void>();
  readonly #reportListeners = new Set<(replicaId: string, ongoing: number) => void>();
  readonly #closing = new Set<Promise<void>>();
  readonly #end = new AbortController();
  readonly #listening: Promise<void>;

  constructor(options: LinksOptions) {
    this.#options = options;
    this.#listening = this.#listen(this.#end.signal);
  }

  onChange(listener: (deployment: string) => void): () => void {
    this.#changeListeners.add(listener);
    return () => this.#changeListeners.delete(listener);
  }

  onReport(listener: (replicaId: string, ongoing: number) => void): () => void {
    this.#reportListeners.add(listener);
    return () => this.#reportListeners.delete(listener);
  }

  contact(replicaId: string): ReplicaContact {
    return this.#links.get(replicaId)?.contact ?? noContact;
  }

  /** Waits for the link if there is none yet, as right after the start. */
  async giveConfig(replicaId: string, order: ConfigOrder, signal: AbortSignal): Promise<CallResult> {
    const { clock } = this.#options;
    const untilMs = clock.nowMs() + order.answerMaxMs;
    for (;;) {
      const link = this.#links.get(replicaId);
      if (link !== undefined) return link.giveConfig({ ...order, answerMaxMs: Math.max(1, untilMs - clock.nowMs()) }, signal);
      if (signal.aborted) return { replicaId, kind: "gone" };
      if (clock.nowMs() >= untilMs)
        return { replicaId, kind: "silent", problem: { kind: "late", withinMs: order.answerMaxMs, last: { kind: "unreached" } } };
      await clock.sleep(linkPollMs, signal);
    }
  }

  connect(replicas: readonly LinkedReplica[]): void {
    const wanted = new Set<string>();
    for (const linked of replicas) {
      const { id, deployment, address } = linked.replica;
      // The engine has not reported yet where it listens.
      if (address === undefined) continue;
      wanted.add(id);
      let link = this.#links.get(id);
      if (link !== undefined && link.address !== address) {
        this.#drop(id, link);
        link = undefined;
      }
      if (link === undefined) {
        link = new ReplicaLink({
          ...this.#options,
          linked,
          address,
          onChange: () => this.#notify(deployment),
          onReport: (ongoing) => {
            for (const listener of this.#reportListeners) listener(id, ongoing);
          },
        });
        this.#links.set(id, link);
      }
      link.update(linked);
    }
    for (const [id, link] of this.#links) {
      if (!wanted.has(id)) this.#drop(id, link);
    }
  }

  drain(replicaId: string): void {
    this.#links.get(replicaId)?.drain();
  }

  async close(): Promise<void> {
    this.#end.abort();
    await this.#listening;
    for (const [id, link] of this.#links) this.#drop(id, link);
    await Promise.all(this.#closing);
  }

  /** Looks every {@link listenMs} how long each replica has been silent. */
  async #listen(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    for (let beforeMs = clock.nowMs(); ; ) {
      await clock.sleep(listenMs, signal);
      if (signal.aborted) return;
      const nowMs = clock.nowMs();
      for (const link of this.#links.values()) link.listen(nowMs - beforeMs);
      beforeMs = nowMs;
    }
  }

  #drop(id: string, link: ReplicaLink): void {
    this.#links.delete(id);
    const closing = link.close().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  #notify(deployment: string): void {
    for (const listener of this.#changeListeners) listener(deployment);
  }
}
