import type { Clock, Random } from "../clock/clock.ts";
import type { DeploymentRecord, Program } from "../core/deployment.ts";
import { place } from "../core/placement.ts";
import { type Action, plan, type SeenReplica } from "../core/plan.ts";
import { advance, hasEnded, holds, type ReplicaRecord } from "../core/replica.ts";
import type { Assignment, Engine, EngineReplica } from "../engine/engine.ts";
import type { Log } from "../log/log.ts";
import type { Mirror } from "../store/mirror.ts";
import type { Entry, Store, Write } from "../store/store.ts";
import type { ReplicaPort } from "./replica-port.ts";
import { Strays } from "./strays.ts";

/** The longest sleep between two looks; events shorten it. */
const periodMs = 1_000;
/** The shortest, so that a row of events is one look. */
const restMs = 5;
/** Processes started in one tick, and at the same time. */
const startsMax = 64;
const startsAtOnce = 8;
/** Lines of standard error kept of a failed start, and of a replica that ran. */
const errorLines = { STARTING: 20, RUNNING: 5 } as Readonly<Record<string, number>>;
const idLength = 5;
const tokenLength = 32;

/** At which versions the records of a deployment were read. */
interface Versions {
  readonly replicas: ReadonlyMap<string, number>;
  readonly progress: number;
}

export interface ReconcileOptions {
  readonly mirror: Mirror;
  readonly store: Store;
  readonly engine: Engine;
  readonly port: ReplicaPort;
  /** The epoch to act under; undefined: do not act. */
  readonly epoch: () => number | undefined;
  /** The command line that runs a `module` program, without the module's path and export. */
  readonly moduleHost: readonly string[];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Makes what is so into what is wanted: reads all, plans, applies, sleeps. */
export class ReconcileLoop {
  readonly #options: ReconcileOptions;
  readonly #strays: Strays;
  /** Why replicas could not be started; until the plan has noted it. */
  readonly #startErrors = new Map<string, string>();
  #wake = new AbortController();
  #troubled = false;
  #found: ReadonlyMap<string, EngineReplica> = new Map();
  /** Since when we talk to each replica. */
  readonly #metAtMs = new Map<string, number>();
  /** Under which the present look acts. */
  #epoch: number | undefined;

  constructor(options: ReconcileOptions) {
    this.#options = options;
    this.#strays = new Strays({ ...options, epoch: () => (this.#leads() ? this.#epoch : undefined) });
  }

  /** Ends the sleep: something has changed. */
  wake(): void {
    // With a reason given, as the usual one is an error, which costs a stack trace at each wake.
    this.#wake.abort("woken");
  }

  /** The replica's process as the last look found it; 0: none. */
  pid(replicaId: string): number {
    return this.#found.get(replicaId)?.pid ?? 0;
  }

  /** Runs until the signal aborts and the tick in work has ended. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    while (!signal.aborted) {
      await clock.sleep(restMs, signal);
      this.#wake = new AbortController();
      try {
        await this.tick();
        if (this.#troubled) log.info("reconciling again");
        this.#troubled = false;
      } catch (cause) {
        if (!this.#troubled) log.warn({ cause: String(cause) }, "reconciling waits");
        this.#troubled = true;
      }
      await clock.sleep(periodMs, AbortSignal.any([signal, this.#wake.signal]));
    }
  }

  /** One look at everything, and what follows from it. Fails if the store cannot be reached. */
  async tick(): Promise<void> {
    const { mirror, engine, port } = this.#options;
    // Whoever leads, requests go to the replicas there are.
    const met = [...mirror.replicas().values()].flatMap(({ value: replica }) => {
      const deployment = mirror.deployment(replica.deployment)?.value;
      return deployment !== undefined && holds(replica.state) ? { replica, deployment } : [];
    });
    port.meet(met);
    this.#noteMet(met.map(({ replica }) => replica.id));
    this.#epoch = this.#options.epoch();
    const leads = this.#epoch !== undefined;
    if (leads) await mirror.catchUp();
    const found = new Map((await engine.list()).map((replica) => [replica.replicaId, replica]));
    this.#found = found;
    if (!leads) return;
    // What was taken back counts, so that nothing is started in its place: the next look sees it.
    if (await this.#strays.settle(found)) return this.wake();
    const held = this.#held(found);
    for (const entry of mirror.deployments().values()) await this.#alone(entry.key, () => this.#reconcile(entry, found, held));
    await this.#alone("placement", () => this.#startPending(held));
  }

  /** Whether what was decided may still be done: a look that took long may have outlived its lease. */
  #leads(): boolean {
    return this.#epoch !== undefined && this.#options.epoch() === this.#epoch;
  }

  #noteMet(ids: readonly string[]): void {
    const met = new Set(ids);
    for (const id of this.#metAtMs.keys()) if (!met.has(id)) this.#metAtMs.delete(id);
    for (const id of met) if (!this.#metAtMs.has(id)) this.#metAtMs.set(id, this.#options.clock.nowMs());
  }

  /** One failed action does not stop the others. */
  async #alone(what: string, act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (cause) {
      this.#options.log.error({ cause, what }, "a reconcile step failed");
    }
  }

  async #reconcile(entry: Entry<"deployment">, found: ReadonlyMap<string, EngineReplica>, held: readonly ReplicaRecord[]): Promise<void> {
    const { mirror, engine, clock, random } = this.#options;
    const replicas = mirror.replicasOf(entry.key);
    const progress = mirror.progress(entry.key);
    // As they were when they were looked at: a write over anything newer is refused.
    const versions: Versions = { replicas: new Map(replicas.map(({ key, version }) => [key, version])), progress: progress?.version ?? 0 };
    const errors = await Promise.all(replicas.map(({ value }) => this.#errorsOf(value, found.get(value.id))));
    // All at one moment, after the waiting: an old answer beside a late clock would look like a long silence.
    const seen = replicas.map(({ value }, index) => this.#see(value, found.get(value.id), errors[index] ?? []));
    const actions = plan({
      deployment: entry.value,
      progress: progress?.value,
      seen,
      capacity: engine.capacity(),
      held,
      nowMs: clock.nowMs(),
      draw: random.next(),
    });
    if (actions.length > 0) await this.#apply(entry, actions, versions);
  }

  async #errorsOf(replica: ReplicaRecord, process: EngineReplica | undefined): Promise<readonly string[]> {
    const { engine, port } = this.#options;
    if (hasEnded(replica.state) || process === undefined) return [];
    const failing = process.state === "exited" || port.contact(replica.id).answer === "refused";
    return failing ? await engine.lastErrors(replica.id, errorLines[replica.state] ?? 0) : [];
  }

  #see(replica: ReplicaRecord, process: EngineReplica | undefined, errors: readonly string[]): SeenReplica {
    const contact = this.#options.port.contact(replica.id);
    return {
      replica,
      process: process?.state ?? "none",
      exit: this.#startErrors.get(replica.id) ?? process?.exit ?? "",
      errors,
      metAtMs: this.#metAtMs.get(replica.id) ?? this.#options.clock.nowMs(),
      terminatedAtMs: process?.terminatedAtMs ?? 0,
      answer: contact.answer,
      reason: contact.reason,
      ongoing: contact.load?.ongoing,
      routable: contact.routable,
      drained: contact.drained,
    };
  }

  /** Writes first, as one commit; acts only if that was written. */
  async #apply(entry: Entry<"deployment">, actions: readonly Action[], versions: Versions): Promise<void> {
    const { engine, log } = this.#options;
    const forgotten = new Set(actions.flatMap((action) => (action.kind === "forget" ? action.replicaId : [])));
    for (const id of forgotten) {
      if (!this.#leads()) return;
      await engine.forget(id);
    }
    const writes = [
      ...actions.flatMap((action) => this.#writeFor(entry, action, versions)),
      ...[...forgotten].map((id): Write => ({ delete: "replica", key: id, version: versions.replicas.get(id) ?? 0 })),
    ];
    if (writes.length > 0 && !(await this.#commit(writes))) return;
    for (const action of actions) {
      if (!this.#leads()) return;
      if (action.kind === "terminate" || action.kind === "kill") await engine.stop(action.replicaId, action.kind);
      if (action.kind === "move") {
        this.#startErrors.delete(action.replica.id);
        const { id, state, message } = action.replica;
        log[state === "FAILED" ? "warn" : "info"](
          { deployment: entry.key, replica: id, state, ...(message === "" ? {} : { message }) },
          "replica",
        );
      }
    }
  }

  #writeFor(entry: Entry<"deployment">, action: Action, versions: Versions): readonly Write[] {
    const { mirror } = this.#options;
    switch (action.kind) {
      case "create": {
        const replica = this.#newReplica(entry.value);
        return [{ put: "replica", key: replica.id, version: 0, value: replica }];
      }
      case "move":
        return [{ put: "replica", key: action.replica.id, version: versions.replicas.get(action.replica.id) ?? 0, value: action.replica }];
      case "progress":
        return [{ put: "progress", key: entry.key, version: versions.progress, value: action.progress }];
      case "erase": {
        const progress = mirror.progress(entry.key);
        return [
          { delete: "deployment", key: entry.key, version: entry.version },
          ...(progress === undefined ? [] : [{ delete: "progress", key: entry.key, version: progress.version } as const]),
          ...mirror.revisionsOf(entry.key).map(({ key, version }) => ({ delete: "revision", key, version }) as const),
        ];
      }
      default:
        return [];
    }
  }

  #newReplica(deployment: DeploymentRecord): ReplicaRecord {
    const { clock, random } = this.#options;
    const nowMs = clock.nowMs();
    const { name, resources } = deployment.spec;
    return {
      id: `${name}-${random.id(idLength)}`,
      deployment: name,
      uid: deployment.uid,
      revision: deployment.revision,
      state: "PENDING",
      message: "",
      resources,
      gpuIndexes: [],
      address: "",
      token: "",
      createdAtMs: nowMs,
      sinceMs: nowMs,
      readyAtMs: 0,
    };
  }

  /** Who holds resources: a replica that failed keeps what it has until its process has ended. */
  #held(found: ReadonlyMap<string, EngineReplica>): readonly ReplicaRecord[] {
    const replicas = [...this.#options.mirror.replicas().values()];
    return replicas.flatMap(({ value }) => (holds(value.state) || found.get(value.id)?.state === "alive" ? value : []));
  }

  /** Gives resources to replicas that wait for them, in the order they asked, and starts those that got them. */
  async #startPending(held: readonly ReplicaRecord[]): Promise<void> {
    const { mirror, engine, clock } = this.#options;
    const replicas = [...mirror.replicas().values()];
    const pending = replicas
      .filter(({ value }) => value.state === "PENDING")
      .toSorted((a, b) => a.value.createdAtMs - b.value.createdAtMs || (a.key < b.key ? -1 : 1));
    if (pending.length === 0) return;
    const nowMs = clock.nowMs();
    const { placed, waiting } = place({
      pending: pending.map(({ value }) => value),
      held,
      capacity: engine.capacity(),
      nowMs,
    });
    const starts = placed.slice(0, startsMax).flatMap(({ id, gpuIndexes }) => {
      const entry = mirror.replica(id);
      const token = this.#options.random.id(tokenLength);
      return entry === undefined
        ? []
        : {
            version: entry.version,
            replica: advance(entry.value, "STARTING", nowMs, { gpuIndexes, address: engine.addressFor(id), token }),
          };
    });
    const notes = waiting.flatMap(({ id, message }): Write[] => {
      const entry = mirror.replica(id);
      return entry === undefined || entry.value.message === message
        ? []
        : [{ put: "replica", key: id, version: entry.version, value: { ...entry.value, message } }];
    });
    const writes = [
      ...starts.map(({ version, replica }): Write => ({ put: "replica", key: replica.id, version, value: replica })),
      ...notes,
    ];
    if (writes.length === 0 || !(await this.#commit(writes))) return;
    for (let first = 0; first < starts.length; first += startsAtOnce) {
      await Promise.all(starts.slice(first, first + startsAtOnce).map(({ replica }) => this.#start(replica)));
    }
  }

  async #start(replica: ReplicaRecord): Promise<void> {
    const { mirror, engine, log } = this.#options;
    const deployment = mirror.deployment(replica.deployment)?.value;
    if (!this.#leads()) return;
    try {
      // A deployment that went on to another revision meanwhile will take this replica away.
      if (deployment === undefined || deployment.revision !== replica.revision) return;
      await engine.start(assignmentOf(replica, deployment, this.#options.moduleHost));
      log.info({ deployment: replica.deployment, replica: replica.id, state: replica.state }, "replica");
    } catch (cause) {
      this.#startErrors.set(replica.id, `could not be started: ${cause instanceof Error ? cause.message : String(cause)}`);
      this.wake();
    }
  }

  /** False: somebody else was faster, or leads; the next look sees what is so. */
  async #commit(writes: readonly Write[]): Promise<boolean> {
    const { store, log } = this.#options;
    if (this.#epoch === undefined || !this.#leads()) return false;
    const result = await store.commit(writes, { epoch: this.#epoch });
    if (result.kind !== "committed") log.debug({ result }, "not written");
    this.wake();
    return result.kind === "committed";
  }
}

function assignmentOf(replica: ReplicaRecord, { spec }: DeploymentRecord, moduleHost: readonly string[]): Assignment {
  return {
    replicaId: replica.id,
    deployment: replica.deployment,
    uid: replica.uid,
    revision: replica.revision,
    argv: argvOf(spec.program, moduleHost),
    workingDir: spec.runtimeEnv.workingDir,
    envVars: spec.runtimeEnv.envVars,
    initArgs: JSON.stringify(spec.initArgs),
    maxOngoingRequests: spec.maxOngoingRequests,
    resources: replica.resources,
    gpuIndexes: replica.gpuIndexes,
    address: replica.address,
    token: replica.token,
  };
}

function argvOf(program: Program, moduleHost: readonly string[]): readonly string[] {
  return program.kind === "command" ? program.argv : [...moduleHost, program.path, program.exportName];
}
