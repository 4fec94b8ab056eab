import type { Random } from "../clock/clock.ts";
import type { ActingTime } from "../core/acting-time.ts";
import type { DeploymentSpec } from "../core/deployment.ts";
import type { Ending } from "../core/ending.ts";
import { sameJson } from "../core/json.ts";
import { messageBytes, messageBytesMaxOf } from "../core/message-bounds.ts";
import { byCreation, place } from "../core/placement/placement.ts";
import type { Room } from "../core/placement/room.ts";
import { advance, type ReplicaRecord } from "../core/replica.ts";
import { type Assignment, type Engine, ShortageError } from "../engine/engine.ts";
import type { Log } from "../log/log.ts";
import type { Mirror } from "../store/mirror.ts";
import type { Entry, Write } from "../store/store.ts";
import { putReplica } from "../store/writes/replica-writes.ts";

/** The most processes started in one tick, and at the same time. */
const startsMax = 64;
const startsAtOnce = 8;
const tokenLength = 32;

export interface StarterOptions {
  readonly mirror: Mirror;
  readonly engine: Engine;
  /** Writes, if this controller still leads. False: it does not, or another writer was faster. */
  readonly commit: (writes: readonly Write[]) => Promise<boolean>;
  readonly leads: () => boolean;
  /** Called with the reason if a replica could not be started. */
  readonly onError: (replicaId: string, ending: Ending) => void;
  /** The moment of the present tick. */
  readonly time: () => ActingTime;
  /** The controller's bound on messages, in bytes. Default: 64 MiB. */
  readonly messageBytesMax?: number | undefined;
  readonly random: Random;
  readonly log: Log;
}

/**
 * Hands pending replicas to the engine: those for which core has found room, or all, if the engine
 * places them.
 */
export class Starter {
  readonly #options: StarterOptions;

  constructor(options: StarterOptions) {
    this.#options = options;
  }

  /**
   * Starts what may start, in the order of creation. `held`: the replicas that hold resources.
   * `isThere`: whether the engine may already have a replica.
   */
  async startPending(held: readonly ReplicaRecord[], isThere: (replica: ReplicaRecord) => boolean): Promise<void> {
    const pending = pendingOf(this.#options.mirror);
    if (pending.length === 0) return;
    const room = this.#options.engine.room();
    if (room.kind === "ledger") await this.#place(pending, held, room);
    else await this.#handOver(pending.filter(({ value }) => !isThere(value)).slice(0, startsMax));
  }

  /** Assigns resources to the replicas that fit, and starts them. Records why the others wait. */
  async #place(
    pending: readonly Entry<"replica">[],
    held: readonly ReplicaRecord[],
    { node, capacity }: Extract<Room, { kind: "ledger" }>,
  ): Promise<void> {
    const { random, commit } = this.#options;
    const time = this.#options.time();
    const { placed, waiting } = place({ pending: pending.map(({ value }) => value), held, capacity, time });
    const entries = new Map(pending.map((entry) => [entry.key, entry]));
    const starts = placed.slice(0, startsMax).flatMap(({ id, gpuIndexes }) => {
      const entry = entries.get(id);
      const token = random.id(tokenLength);
      if (entry === undefined) return [];
      return { version: entry.version, replica: advance(entry.value, "STARTING", time.nowMs, { gpuIndexes, node, token }) };
    });
    const notes = waiting.flatMap(({ id, wait }): Write[] => {
      const entry = entries.get(id);
      return entry === undefined || sameJson(entry.value.waits, wait) ? [] : [putReplica({ ...entry.value, waits: wait }, entry.version)];
    });
    const writes = [...starts.map(({ version, replica }) => putReplica(replica, version)), ...notes];
    if (writes.length === 0 || !(await commit(writes))) return;
    await this.#startAll(starts.map(({ replica }) => replica));
  }

  /** Their records stay PENDING until the engine reports that it has placed them. */
  async #handOver(asked: readonly Entry<"replica">[]): Promise<void> {
    const { random, commit } = this.#options;
    const handed = asked.map(({ version, value }) => ({
      version,
      replica: value.token === "" ? { ...value, token: random.id(tokenLength) } : value,
    }));
    // Also written where nothing changes: a replica that was taken back since must not be started.
    if (handed.length === 0 || !(await commit(handed.map(({ version, replica }) => putReplica(replica, version))))) return;
    await this.#startAll(handed.map(({ replica }) => replica));
  }

  async #startAll(replicas: readonly ReplicaRecord[]): Promise<void> {
    for (let first = 0; first < replicas.length; first += startsAtOnce) {
      await Promise.all(replicas.slice(first, first + startsAtOnce).map((replica) => this.#start(replica)));
    }
  }

  async #start(replica: ReplicaRecord): Promise<void> {
    const { mirror, engine, leads, onError, log, messageBytesMax = messageBytes.default } = this.#options;
    const spec = specOf(mirror, replica);
    // Without a spec, the deployment was changed since, and the plan will remove this replica.
    if (spec === undefined || !leads()) return;
    try {
      await engine.start(assignmentOf(replica, spec, messageBytesMax));
      log.info({ deployment: replica.deployment, replica: replica.id, state: replica.state }, "replica");
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      onError(replica.id, { kind: "failedToStart", why, ...(cause instanceof ShortageError && { shortage: true }) });
    }
  }
}

/** The PENDING replicas, in the order of creation. */
export function pendingOf(mirror: Mirror): readonly Entry<"replica">[] {
  return [...mirror.replicas().values()].filter(({ value }) => value.state === "PENDING").toSorted((a, b) => byCreation(a.value, b.value));
}

/** The spec of a replica's revision. */
export function specOf(mirror: Mirror, replica: Pick<ReplicaRecord, "deployment" | "uid" | "revision">): DeploymentSpec | undefined {
  const record = mirror.ownerOf(replica)?.value;
  if (record === undefined || record.revision === replica.revision) return record?.spec;
  return mirror.lineage(record).revision(replica.revision)?.value.spec;
}

function assignmentOf(replica: ReplicaRecord, spec: DeploymentSpec, messageBytesMax: number): Assignment {
  return {
    replicaId: replica.id,
    deployment: replica.deployment,
    uid: replica.uid,
    revision: replica.revision,
    program: spec.program,
    runtimeEnv: spec.runtimeEnv,
    initArgs: JSON.stringify(spec.initArgs),
    maxOngoingRequests: spec.maxOngoingRequests,
    messageBytesMax: messageBytesMaxOf(spec, messageBytesMax),
    resources: replica.resources,
    gpuIndexes: replica.gpuIndexes,
    token: replica.token,
  };
}
