import type { Clock } from "../clock/clock.ts";
import { terminateGraceMs } from "../core/rollout/finish.ts";
import type { Engine } from "../engine/engine.ts";
import type { Log } from "../log/log.ts";
import type { Mirror } from "../store/mirror.ts";
import type { Store, Write } from "../store/store.ts";
import { forgetReplica } from "../store/writes/replica-writes.ts";

/** How often processes that must end are polled. */
const pollMs = 20;
/** How long a process may exist after SIGKILL. */
const killedMs = 2_000;
/** Records removed in one commit. */
const writesMax = 500;

export interface StopOptions {
  readonly engine: Engine;
  readonly mirror: Mirror;
  readonly store: Store;
  /**
   * The epoch to write under. Undefined: write nothing. Processes are ended in any case: they
   * belong to this controller.
   */
  readonly epoch: () => number | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Ends every replica when the controller ends. The gateway has drained before. The records are
 * removed too, so that the next start begins with new replicas.
 */
export async function stopReplicas({ engine, mirror, store, epoch, clock, log }: StopOptions): Promise<void> {
  const alive = async () => (await engine.list()).replicas.filter(({ state }) => state !== "exited").map(({ replicaId }) => replicaId);
  const stopAll = async (how: "terminate" | "kill", waitMs: number) => {
    const untilMs = clock.nowMs() + waitMs;
    let left = await alive();
    await Promise.all(left.map((id) => engine.stop(id, how)));
    while (left.length > 0 && clock.nowMs() < untilMs) {
      await clock.sleep(pollMs);
      left = await alive();
    }
    return left;
  };
  if ((await stopAll("terminate", terminateGraceMs)).length > 0) await stopAll("kill", killedMs);
  const ended = (await engine.list()).replicas.filter(({ state }) => state === "exited");
  for (const { replicaId } of ended) await engine.forget(replicaId);
  const writes = ended.flatMap(({ replicaId }): Write[] => {
    const entry = mirror.replica(replicaId);
    return entry === undefined ? [] : [forgetReplica(replicaId, entry.version)];
  });
  for (let first = 0; first < writes.length; first += writesMax) {
    const leaderEpoch = epoch();
    if (leaderEpoch === undefined) return;
    await store
      .commit(writes.slice(first, first + writesMax), { epoch: leaderEpoch })
      .catch((cause: unknown) =>
        log.warn({ cause: String(cause) }, "the records of stopped replicas could not be removed; the next controller will remove them"),
      );
  }
}
