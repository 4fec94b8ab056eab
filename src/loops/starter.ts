import type { Clock, Random } from "../clock/clock.ts";
import type { DeploymentSpec, Program } from "../core/deployment.ts";
import type { Ending } from "../core/ending.ts";
import { sameJson } from "../core/json.ts";
import { place } from "../core/placement/placement.ts";
import { advance, type ReplicaRecord } from "../core/replica.ts";
import type { Assignment, Engine } from "../engine/engine.ts";
import { heapMiB } from "../engine/local/memory.ts";
import { moduleArgv } from "../engine/local/replica-env.ts";
import type { Log } from "../log/log.ts";
import type { Mirror } from "../store/mirror.ts";
import type { Entry, Write } from "../store/store.ts";
import { putReplica } from "../store/writes/replica-writes.ts";

/** Processes started in one tick, and at the same time. */
const startsMax = 64;
const startsAtOnce = 8;
const tokenLength = 32;

export interface StarterOptions {
  readonly mirror: Mirror;
  readonly engine: Engine;
  /** Node and its arguments that run a `module` program, without the module's path and export. */
  readonly moduleHost: readonly string[];
  /** Writes, if this controller still leads; false: it does not, or somebody else was faster. */
  readonly commit: (writes: readonly Write[]) => Promise<boolean>;
  readonly leads: () => boolean;
  /** Told why a replica could not be started. */
  readonly onError: (replicaId: string, ending: Ending) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Gives resources to replicas that wait for them, and starts those that got them. */
export class Starter {
  readonly #options: StarterOptions;

  constructor(options: StarterOptions) {
    this.#options = options;
  }

  /** In the order they asked. `held` is what replicas hold now. */
  async startPending(held: readonly ReplicaRecord[]): Promise<void> {
    const { mirror, engine, clock, random, commit } = this.#options;
    const pending = pendingOf(mirror);
    if (pending.length === 0) return;
    const nowMs = clock.nowMs();
    const { placed, waiting } = place({ pending: pending.map(({ value }) => value), held, capacity: engine.capacity(), nowMs });
    const entries = new Map(pending.map((entry) => [entry.key, entry]));
    const starts = placed.slice(0, startsMax).flatMap(({ id, gpuIndexes }) => {
      const entry = entries.get(id);
      const token = random.id(tokenLength);
      if (entry === undefined) return [];
      const replica = advance(entry.value, "STARTING", nowMs, { gpuIndexes, address: engine.addressFor(id), token });
      return { version: entry.version, replica };
    });
    const notes = waiting.flatMap(({ id, wait }): Write[] => {
      const entry = entries.get(id);
      return entry === undefined || sameJson(entry.value.waits, wait) ? [] : [putReplica({ ...entry.value, waits: wait }, entry.version)];
    });
    const writes = [...starts.map(({ version, replica }) => putReplica(replica, version)), ...notes];
    if (writes.length === 0 || !(await commit(writes))) return;
    for (let first = 0; first < starts.length; first += startsAtOnce) {
      await Promise.all(starts.slice(first, first + startsAtOnce).map(({ replica }) => this.#start(replica)));
    }
  }

  async #start(replica: ReplicaRecord): Promise<void> {
    const { mirror, engine, moduleHost, leads, onError, log } = this.#options;
    const spec = specOf(mirror, replica);
    // Without one, its deployment went on meanwhile and will take this replica away.
    if (spec === undefined || !leads()) return;
    try {
      await engine.start(assignmentOf(replica, spec, moduleHost));
      log.info({ deployment: replica.deployment, replica: replica.id, state: replica.state }, "replica");
    } catch (cause) {
      onError(replica.id, { kind: "failedToStart", why: cause instanceof Error ? cause.message : String(cause) });
    }
  }
}

/** What waits for room, in the order it asked. */
export function pendingOf(mirror: Mirror): readonly Entry<"replica">[] {
  return [...mirror.replicas().values()]
    .filter(({ value }) => value.state === "PENDING")
    .toSorted((a, b) => a.value.createdAtMs - b.value.createdAtMs || (a.key < b.key ? -1 : 1));
}

/** What a replica is started with: what its revision says. */
export function specOf(mirror: Mirror, replica: Pick<ReplicaRecord, "deployment" | "uid" | "revision">): DeploymentSpec | undefined {
  const record = mirror.ownerOf(replica)?.value;
  if (record === undefined || record.revision === replica.revision) return record?.spec;
  return mirror.lineage(record).revision(replica.revision)?.value.spec;
}

function assignmentOf(replica: ReplicaRecord, spec: DeploymentSpec, moduleHost: readonly string[]): Assignment {
  return {
    replicaId: replica.id,
    deployment: replica.deployment,
    uid: replica.uid,
    revision: replica.revision,
    argv: argvOf(spec.program, moduleHost, replica.resources.memoryBytes),
    workingDir: spec.runtimeEnv.workingDir,
    envVars: spec.runtimeEnv.envVars,
    requirements: { npm: spec.runtimeEnv.npm, pip: spec.runtimeEnv.pip },
    initArgs: JSON.stringify(spec.initArgs),
    maxOngoingRequests: spec.maxOngoingRequests,
    resources: replica.resources,
    gpuIndexes: replica.gpuIndexes,
    address: replica.address,
    token: replica.token,
  };
}

function argvOf(program: Program, [node = "", ...host]: readonly string[], memoryBytes: number): readonly string[] {
  if (program.kind === "command") return program.argv;
  const heap = memoryBytes > 0 ? [`--max-old-space-size=${heapMiB(memoryBytes)}`] : [];
  return moduleArgv([node, ...heap, ...host], program.path, program.exportName);
}
