import { type ActingTime, elapsedMs } from "../core/acting-time.ts";
import type { ReplicaRecord } from "../core/replica.ts";
import { terminateGraceMs } from "../core/rollout/finish.ts";
import type { Engine, EngineReplica } from "../engine/engine.ts";
import type { Log } from "../log/log.ts";
import type { Mirror } from "../store/mirror.ts";
import type { Store } from "../store/store.ts";
import { putReplica } from "../store/writes/replica-writes.ts";
import type { LeaderClock } from "./leader-clock.ts";

/** How long a process without a record may wait for its deployment to appear. */
export const strayGraceMs = 30_000;

export interface StraysOptions {
  readonly mirror: Mirror;
  readonly store: Store;
  readonly engine: Engine;
  readonly epoch: () => number | undefined;
  readonly clock: Pick<LeaderClock, "fromProcess">;
  readonly log: Log;
}

/**
 * Processes without a record, for example after the store lost its last writes. Those of a known
 * deployment are adopted as they run. The others are stopped after {@link strayGraceMs}.
 */
export class Strays {
  readonly #options: StraysOptions;
  readonly #firstSeenMs = new Map<string, number>();

  constructor(options: StraysOptions) {
    this.#options = options;
  }

  /** Returns whether replicas were adopted. */
  async settle(found: ReadonlyMap<string, EngineReplica>, time: ActingTime): Promise<boolean> {
    const { mirror } = this.#options;
    const strays = [...found.values()].filter(({ replicaId }) => mirror.replica(replicaId) === undefined);
    const ids = new Set(strays.map(({ replicaId }) => replicaId));
    for (const id of this.#firstSeenMs.keys()) if (!ids.has(id)) this.#firstSeenMs.delete(id);
    let adopted = false;
    for (const stray of strays) {
      if (this.#options.epoch() === undefined) break;
      const sinceMs = this.#firstSeenMs.get(stray.replicaId) ?? time.nowMs;
      this.#firstSeenMs.set(stray.replicaId, sinceMs);
      const deployment = mirror.ownerOf(stray)?.value;
      const known = deployment !== undefined && deployment.deletingSinceMs === undefined && stray.terminatedAtMs === undefined;
      if (known && stray.state !== "exited") adopted = (await this.#adopt(stray, time.nowMs)) || adopted;
      else await this.#end(stray, sinceMs, time);
    }
    return adopted;
  }

  async #end(stray: EngineReplica, sinceMs: number, time: ActingTime): Promise<void> {
    const { engine, clock, log } = this.#options;
    if (stray.state === "exited") return engine.forget(stray.replicaId);
    if (elapsedMs(sinceMs, time) < strayGraceMs) return;
    if (stray.terminatedAtMs === undefined) {
      log.warn({ replica: stray.replicaId, handle: stray.handle }, "stopping a process that belongs to no deployment");
      await engine.stop(stray.replicaId, "terminate");
    } else if (elapsedMs(clock.fromProcess(stray.terminatedAtMs), time) >= terminateGraceMs) await engine.stop(stray.replicaId, "kill");
  }

  async #adopt(stray: EngineReplica, nowMs: number): Promise<boolean> {
    const { store, log } = this.#options;
    const epoch = this.#options.epoch();
    if (epoch === undefined) return false;
    // An earlier controller may have started it by a clock that was ahead of ours.
    const startedAtMs = Math.min(stray.startedAtMs, nowMs);
    const value: ReplicaRecord = {
      id: stray.replicaId,
      deployment: stray.deployment,
      uid: stray.uid,
      revision: stray.revision,
      state: stray.state === "waiting" ? "PENDING" : "STARTING",
      resources: stray.resources,
      gpuIndexes: stray.gpuIndexes,
      node: stray.node,
      address: stray.address,
      token: stray.token,
      createdAtMs: startedAtMs,
      sinceMs: nowMs,
      // It may have served before: it is kept until it has answered.
      readyAtMs: stray.state === "waiting" ? undefined : startedAtMs,
    };
    const { kind } = await store.commit([putReplica(value, 0)], { epoch });
    if (kind === "committed") log.warn({ replica: value.id, handle: stray.handle }, "adopted a replica that the store had lost");
    return kind === "committed";
  }
}
