import type { ActingTime } from "../core/acting-time.ts";
import type { EngineReplica } from "../engine/engine.ts";
import type { ReplicaContact } from "../links/replica-port.ts";
import type { LeaderClock } from "./leader-clock.ts";

/** The time that starting replicas have had for themselves. */
export class OwnTime {
  readonly #clock: LeaderClock;
  /** When something was last being prepared for each replica before its process could start. */
  readonly #preparedAtMs = new Map<string, number>();

  constructor(clock: LeaderClock) {
    this.#clock = clock;
  }

  /** Notes for which of these replicas something is being prepared. */
  note(replicas: ReadonlyMap<string, EngineReplica>): void {
    const nowMs = this.#clock.nowMs();
    for (const id of this.#preparedAtMs.keys()) if (!replicas.has(id)) this.#preparedAtMs.delete(id);
    for (const [id, { preparing }] of replicas) if (preparing !== undefined) this.#preparedAtMs.set(id, nowMs);
  }

  /**
   * Since when the replica's silence counts: not without a controller that connects to it, and not
   * while something is prepared for it.
   */
  sinceMs(
    replicaId: string,
    { contactSinceMs }: ReplicaContact,
    process: EngineReplica | undefined,
    { nowMs, actingSinceMs }: ActingTime,
  ): number {
    // A process without an address cannot be connected to: its time to start counts all the same.
    const unreached = process?.state === "alive" && process.address === undefined ? actingSinceMs : nowMs;
    const sinceMs = contactSinceMs === undefined ? unreached : this.#clock.fromProcess(contactSinceMs);
    return Math.max(sinceMs, this.#preparedAtMs.get(replicaId) ?? 0);
  }
}
