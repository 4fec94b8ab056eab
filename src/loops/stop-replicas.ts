import type { Clock } from "../clock/clock.ts";
import { terminateGraceMs } from "../core/rollout/finish.ts";
import type { CallsInWork } from "../core/traffic/calls-in-work.ts";
import type { Engine } from "../engine/engine.ts";
import type { Loads } from "../links/loads.ts";
import type { ReplicaPort } from "../links/replica-port.ts";
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

/** How long replicas may work on. */
export interface StopGrace {
  /** From when the `graceful_shutdown_timeout` of each deployment counts. */
  readonly sinceMs: number;
  /** Ends all grace at once when it aborts. Default: never. */
  readonly hastened?: AbortSignal | undefined;
  /** Called with the requests that are waited for, if there are any. */
  readonly onWait?: (work: readonly CallsInWork[]) => void;
}

export interface StopOptions {
  readonly engine: Engine;
  readonly port: Pick<ReplicaPort, "contact" | "drain">;
  readonly loads: Pick<Loads, "ongoing">;
  readonly grace: StopGrace;
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
 * Ends every replica when the controller ends. The gateway has drained before, so what is in work
 * came from callers that call replicas directly. The records are removed too, so that the next
 * start begins with new replicas.
 */
export async function stopReplicas(options: StopOptions): Promise<void> {
  const { engine, mirror, store, epoch, clock, log } = options;
  await drainReplicas(options);
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

/** A replica that may have requests in work. */
interface Draining {
  readonly id: string;
  readonly deployment: string;
  readonly graceMs: number;
}

/** Drains all replicas together, and waits for each as long as its deployment gives it. */
async function drainReplicas({ engine, mirror, port, loads, grace, epoch, clock }: StopOptions): Promise<void> {
  const alive = (await engine.list()).replicas.filter(({ state }) => state === "alive");
  let left = alive.flatMap(({ replicaId: id }): readonly Draining[] => {
    const record = mirror.replica(id)?.value;
    const graceMs = record && mirror.deployment(record.deployment)?.value.spec.gracefulShutdownTimeoutMs;
    return record?.readyAtMs === undefined || graceMs === undefined ? [] : [{ id, deployment: record.deployment, graceMs }];
  });
  const ongoing = ({ id }: Draining) => loads.ongoing(id, port.contact(id)) ?? 0;
  const isLeft = (replica: Draining) => {
    if (grace.hastened?.aborted || clock.nowMs() >= grace.sinceMs + replica.graceMs) return false;
    const { answer, drained, silent } = port.contact(replica.id);
    // Without the lease a replica cannot be drained, and a silent one does not say that it is: the last known load decides.
    const tells = epoch() !== undefined && answer !== "unknown" && !silent;
    return !drained && (tells || ongoing(replica) > 0);
  };
  left = left.filter(isLeft);
  for (const { id } of left) port.drain(id);
  const work = callsAt(left, ongoing);
  if (work.length > 0) grace.onWait?.(work);
  while (left.length > 0) {
    await clock.sleep(pollMs, grace.hastened);
    left = left.filter(isLeft);
  }
}

/** The calls in work by deployment, the longest grace first. */
function callsAt(replicas: readonly Draining[], ongoing: (replica: Draining) => number): readonly CallsInWork[] {
  const work = new Map<string, CallsInWork>();
  for (const replica of replicas) {
    const { deployment, graceMs } = replica;
    const calls = (work.get(deployment)?.calls ?? 0) + ongoing(replica);
    if (calls > 0) work.set(deployment, { deployment, calls, graceMs });
  }
  return [...work.values()].sort((a, b) => b.graceMs - a.graceMs);
}
