import { pacing } from "../clock/breathe.ts";
import type { Random } from "../clock/clock.ts";
import { type ActingTime, elapsedMs } from "../core/acting-time.ts";
import { committedConfig } from "../core/config-change.ts";
import type { DeploymentRecord, ProgressRecord } from "../core/deployment.ts";
import { type Ending, type Preparation, preparingOf } from "../core/ending.ts";
import { type Coverage, processOf, usingLedger } from "../core/placement/room.ts";
import { hasEnded, holds, type ReplicaRecord } from "../core/replica.ts";
import { plan } from "../core/rollout/plan.ts";
import { retryWaitMs } from "../core/rollout/progress.ts";
import type { Action, SeenReplica } from "../core/rollout/sight.ts";
import { wantsPackagesFirst } from "../core/rollout/step.ts";
import type { Engine, EngineReplica } from "../engine/engine.ts";
import type { Loads } from "../links/loads.ts";
import type { ReplicaContact, ReplicaPort } from "../links/replica-port.ts";
import type { Log } from "../log/log.ts";
import { Troubles } from "../log/troubles.ts";
import type { Mirror } from "../store/mirror.ts";
import type { CommitOptions, Entry, Store, Write } from "../store/store.ts";
import { decisionWrites } from "../store/writes/decision-writes.ts";
import { deploymentWrites } from "../store/writes/deployment-writes.ts";
import { eraseWrites } from "../store/writes/erase-writes.ts";
import { putProgress } from "../store/writes/progress-writes.ts";
import { forgetReplica, putReplica } from "../store/writes/replica-writes.ts";
import type { LeaderClock } from "./leader-clock.ts";
import { logMove } from "./log-move.ts";
import { OwnTime } from "./own-time.ts";
import { pendingOf, Starter, specOf } from "./starter.ts";
import { Strays } from "./strays.ts";

/** The longest sleep between two ticks. Events shorten it. */
const periodMs = 1_000;
/** The shortest sleep, so that a burst of events causes one tick. */
const restMs = 5;
/** Lines of standard error kept of a failed start, and of a failed RUNNING replica. */
const errorLines = { STARTING: 20, RUNNING: 5 } as Readonly<Record<string, number>>;
const noErrors: ReadonlyMap<string, readonly string[]> = new Map();
const idLength = 5;

/** The records of a deployment, as they were read. */
interface Versions {
  readonly replicas: ReadonlyMap<string, Entry<"replica">>;
  readonly progress: number;
}

/** What the engine found in this tick. */
interface Found {
  readonly replicas: ReadonlyMap<string, EngineReplica>;
  readonly complete: Coverage;
}

export interface ReconcileOptions {
  readonly mirror: Mirror;
  readonly store: Store;
  readonly engine: Engine;
  readonly port: ReplicaPort;
  readonly loads: Pick<Loads, "ongoing">;
  /** The epoch to act under; undefined: do not act. */
  readonly epoch: () => number | undefined;
  /** The controller's bound on messages, in bytes. Default: 64 MiB. */
  readonly messageBytesMax?: number | undefined;
  readonly clock: LeaderClock;
  readonly random: Random;
  readonly log: Log;
}

/** Makes the observed state match the wanted one: reads everything, plans, applies, sleeps. */
export class ReconcileLoop {
  readonly #options: ReconcileOptions;
  readonly #strays: Strays;
  readonly #starter: Starter;
  readonly #ownTime: OwnTime;
  readonly #troubles: Troubles;
  /** Why replicas could not be started. Kept until the plan has recorded it. */
  readonly #startErrors = new Map<string, Ending>();
  #wake = new AbortController();
  #found: Found = { replicas: new Map(), complete: new Set() };
  /** The epoch of the present tick. */
  #epoch: number | undefined;
  /** The last epoch under which this controller acted, and since when. */
  #actedEpoch: number | undefined;
  #actingSinceMs = 0;

  constructor(options: ReconcileOptions) {
    this.#options = options;
    this.#ownTime = new OwnTime(options.clock);
    this.#troubles = new Troubles(options.log);
    this.#strays = new Strays({ ...options, epoch: () => (this.#leads() ? this.#epoch : undefined) });
    this.#starter = new Starter({
      ...options,
      commit: (writes) => this.#commit(writes),
      leads: () => this.#leads(),
      time: () => this.#time,
      onError: (replicaId, ending) => {
        this.#startErrors.set(replicaId, ending);
        this.wake();
      },
    });
  }

  /** Ends the sleep: something has changed. */
  wake(): void {
    // With a reason: the default one is an error, and its stack trace would cost time at each wake.
    this.#wake.abort("woken");
  }

  /** Runs until the signal aborts and the tick in work has ended. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!signal.aborted) {
      await clock.sleep(restMs, signal);
      this.#wake = new AbortController();
      try {
        await this.tick();
        if (this.#leads()) this.#troubles.over("one tick", {}, "reconcile succeeded again");
      } catch (cause) {
        this.#troubles.failed("one tick", cause, {}, `reconcile failed; retrying in ${periodMs / 1_000} s`);
      }
      await clock.sleep(periodMs, AbortSignal.any([signal, this.#wake.signal]));
    }
  }

  /** Observes everything, and acts on it. Fails if the store cannot be reached. */
  async tick(): Promise<void> {
    const { mirror, engine, clock } = this.#options;
    this.#takeEpoch(this.#options.epoch());
    const leads = this.#epoch !== undefined;
    if (leads) await mirror.catchUp();
    const { replicas, complete } = await engine.list();
    const found: Found = { replicas: new Map(replicas.map((replica) => [replica.replicaId, replica])), complete };
    this.#found = found;
    this.#ownTime.note(found.replicas);
    if (!leads) return;
    // Adopted replicas are not seen yet. End the tick, so that nothing is started in their place.
    if (await this.#strays.settle(found.replicas, this.#time)) return this.wake();
    const held = usingLedger(this.#held(found), engine.room());
    const pace = pacing(
      () => clock.nowMs(),
      () => clock.sleep(0),
    );
    for (const entry of mirror.deployments().values()) {
      await this.#alone(entry.key, () => this.#reconcile(entry, found, held));
      await pace();
    }
    await this.#alone("the start of replicas", () => this.#starter.startPending(held, (replica) => this.#processOf(replica) !== "none"));
  }

  #takeEpoch(epoch: number | undefined): void {
    if (epoch !== undefined && epoch !== this.#actedEpoch) {
      this.#actedEpoch = epoch;
      this.#actingSinceMs = this.#options.clock.nowMs();
    }
    this.#epoch = epoch;
  }

  /**
   * Whether the decisions of this tick may still be carried out: a slow tick may have outlived its
   * lease.
   */
  #leads(): boolean {
    return this.#epoch !== undefined && this.#options.epoch() === this.#epoch;
  }

  get #time(): ActingTime {
    return { nowMs: this.#options.clock.nowMs(), actingSinceMs: this.#actingSinceMs };
  }

  /** One failed action does not stop the others. */
  async #alone(what: string, act: () => Promise<void>): Promise<void> {
    try {
      await act();
      this.#troubles.over(what, { what }, "a reconcile step succeeded again");
    } catch (cause) {
      this.#troubles.failed(what, cause, { what, err: cause }, "a reconcile step failed; retrying at the next tick");
    }
  }

  async #reconcile(entry: Entry<"deployment">, found: Found, held: readonly ReplicaRecord[]): Promise<void> {
    const { mirror, engine, random } = this.#options;
    const replicas = mirror.replicasOf(entry.key);
    const progress = mirror.progress(entry.key);
    const lineage = mirror.lineage(entry.value);
    // The versions that this tick has seen: a write over anything newer is refused.
    const versions: Versions = { replicas: new Map(replicas.map((entry) => [entry.key, entry])), progress: progress?.version ?? 0 };
    const failing = replicas.filter(({ value }) => this.#fails(value, found.replicas.get(value.id), entry.value));
    const errors = failing.length === 0 ? noErrors : await this.#errorsOf(failing.map(({ value }) => value));
    // Read all of it at one moment, after the awaits. An old answer with a later clock would look
    // like a long silence.
    const seen = replicas.map(({ value }) => this.#see(value, entry.value, found.replicas.get(value.id), errors.get(value.id) ?? []));
    const actions = plan({
      deployment: entry.value,
      progress: progress?.value,
      seen,
      packages: this.#packagesFirst(
        entry.value,
        lineage.progress()?.value,
        replicas.map(({ value }) => value),
      ),
      findRevision: (revision) => lineage.revision(revision)?.value,
      lastDecision: () => lineage.decisions().findLast(({ value }) => value.source === "ROLLOUT")?.value,
      room: engine.room(),
      held,
      pending: () => pendingOf(mirror).map(({ value }) => value),
      ...this.#time,
      draw: random.next(),
    });
    if (actions.length > 0) await this.#apply(entry, actions, versions);
  }

  /** Whether the replica has ended or will never serve, and this is not recorded yet. */
  #fails(replica: ReplicaRecord, process: EngineReplica | undefined, { spec }: DeploymentRecord): boolean {
    if (hasEnded(replica.state) || process === undefined) return false;
    const contact = this.#options.port.contact(replica.id);
    if (process.state === "exited" || contact.answer === "refused") return true;
    if (replica.state !== "STARTING") return false;
    const startedMs = Math.max(replica.sinceMs, this.#ownTime.sinceMs(replica.id, contact, process, this.#time));
    // A little early, because the plan is made later than this.
    return elapsedMs(startedMs, this.#time) >= spec.startupTimeoutMs - periodMs;
  }

  /** The last lines of each replica's standard error. */
  async #errorsOf(replicas: readonly ReplicaRecord[]): Promise<ReadonlyMap<string, readonly string[]>> {
    const { engine } = this.#options;
    const lines = replicas.map(async ({ id, state }) => [id, await engine.lastErrors(id, errorLines[state] ?? 0)] as const);
    return new Map(await Promise.all(lines));
  }

  #see(replica: ReplicaRecord, deployment: DeploymentRecord, process: EngineReplica | undefined, errors: readonly string[]): SeenReplica {
    const contact = this.#options.port.contact(replica.id);
    const preparation = this.#prepare(replica);
    return {
      replica,
      process: this.#processOf(replica),
      node: process?.node,
      address: process?.address,
      unplaced: process?.unplaced,
      preparing: process?.preparing ?? (preparation?.kind === "installing" ? preparingOf(preparation) : undefined),
      ending: this.#startErrors.get(replica.id) ?? process?.ending ?? (preparation?.kind === "failed" ? preparation.ending : undefined),
      errors: preparation?.kind === "failed" ? preparation.lines : errors,
      contactSinceMs: this.#ownTime.sinceMs(replica.id, contact, process, this.#time),
      terminatedAtMs: process?.terminatedAtMs && this.#options.clock.fromProcess(process.terminatedAtMs),
      answer: contact.answer,
      problem: contact.problem,
      failure: contact.failure,
      configured: this.#isConfigured(replica, deployment, contact),
      ongoing: this.#options.loads.ongoing(replica.id, contact),
      routable: contact.routable,
      drained: contact.drained,
    };
  }

  #processOf({ id, node }: ReplicaRecord): SeenReplica["process"] {
    return processOf(node, this.#found.replicas.get(id)?.state, this.#found.complete);
  }

  /**
   * The packages of a replica that waits for room are installed during the wait. So the replica it
   * replaces stays up for that time.
   */
  #prepare(replica: ReplicaRecord): Preparation | undefined {
    if (replica.state !== "PENDING") return undefined;
    const spec = specOf(this.#options.mirror, replica);
    return spec && this.#options.engine.prepare(replica.id, spec.runtimeEnv);
  }

  /**
   * The packages of the wanted revision, if its first replica takes the place of an old one.
   * Undefined: it does not, or a try failed just now.
   */
  #packagesFirst(
    deployment: DeploymentRecord,
    progress: ProgressRecord | undefined,
    replicas: readonly ReplicaRecord[],
  ): Preparation | undefined {
    if (!wantsPackagesFirst(deployment, replicas)) return undefined;
    const { spec, uid, revision } = deployment;
    const ours = progress?.revision === revision ? progress : undefined;
    if (ours !== undefined && retryWaitMs(ours, this.#time) > 0) return undefined;
    // Each try has its own name, because the engine keeps reporting a failure under its name.
    const name = [uid, revision, ours?.failedAtMs ?? 0, deployment.resumedAtMs ?? 0].join("/");
    return this.#options.engine.prepare(name, spec.runtimeEnv);
  }

  #isConfigured(replica: ReplicaRecord, deployment: DeploymentRecord, contact: ReplicaContact): boolean {
    if (replica.state !== "STARTING") return true;
    if (deployment.changing !== undefined && deployment.revision === replica.revision) return false;
    if (!contact.controllable) return true;
    const find = (revision: number) => this.#options.mirror.lineage(deployment).revision(revision)?.value;
    return committedConfig(deployment, replica.revision, find)?.generation === contact.configGeneration;
  }

  /** Writes first, in one commit. Acts only if that succeeded. */
  async #apply(entry: Entry<"deployment">, actions: readonly Action[], versions: Versions): Promise<void> {
    const { engine, log } = this.#options;
    const forgotten = new Set(actions.flatMap((action) => (action.kind === "forget" ? action.replicaId : [])));
    for (const id of forgotten) {
      if (!this.#leads()) return;
      await engine.forget(id);
    }
    const writes = [
      ...actions.flatMap((action) => this.#writeFor(entry, action, versions)),
      ...[...forgotten].map((id) => forgetReplica(id, versions.replicas.get(id)?.version ?? 0)),
    ];
    // A replica becomes RUNNING with the config seen in this tick. If a config change began since,
    // refuse the write, or that change would skip the replica.
    const serves = actions.some((action) => action.kind === "move" && action.replica.state === "RUNNING");
    const unchanged = serves ? [{ kind: "deployment", key: entry.key, version: entry.version } as const] : [];
    if (writes.length > 0 && !(await this.#commit(writes, unchanged))) return;
    for (const action of actions) {
      if (!this.#leads()) return;
      if (action.kind === "terminate" || action.kind === "kill") await engine.stop(action.replicaId, action.kind);
      if (action.kind === "move") {
        this.#startErrors.delete(action.replica.id);
        logMove(versions.replicas.get(action.replica.id)?.value, action.replica, log);
      }
    }
  }

  #writeFor(entry: Entry<"deployment">, action: Action, versions: Versions): readonly Write[] {
    const { mirror } = this.#options;
    switch (action.kind) {
      case "create": {
        const replica = this.#newReplica(entry, action.revision);
        return replica === undefined ? [] : [putReplica(replica, 0)];
      }
      case "move":
        return [putReplica(action.replica, versions.replicas.get(action.replica.id)?.version ?? 0)];
      case "progress":
        return [putProgress(entry.key, action.progress, versions.progress)];
      case "rollback":
        return deploymentWrites(mirror, action.deployment, entry, "");
      case "decide":
        return decisionWrites(mirror, entry.value, action.verdict, this.#options.clock.nowMs());
      case "erase":
        return eraseWrites(mirror, entry.key);
      default:
        return [];
    }
  }

  /** Undefined: the revision is no longer kept. */
  #newReplica({ key: deployment, value: { uid } }: Entry<"deployment">, revision: number): ReplicaRecord | undefined {
    const { mirror, clock, random } = this.#options;
    const nowMs = clock.nowMs();
    const spec = specOf(mirror, { deployment, uid, revision });
    if (spec === undefined) return undefined;
    return {
      id: `${deployment}-${random.id(idLength)}`,
      deployment,
      uid,
      revision,
      state: "PENDING",
      resources: spec.resources,
      gpuIndexes: [],
      token: "",
      createdAtMs: nowMs,
      sinceMs: nowMs,
    };
  }

  /**
   * The replicas that hold resources. A failed replica keeps its resources until its process has
   * ended.
   */
  #held(found: Found): readonly ReplicaRecord[] {
    const replicas = [...this.#options.mirror.replicas().values()];
    return replicas.flatMap(({ value }) => (holds(value.state) || found.replicas.get(value.id)?.state === "alive" ? value : []));
  }

  /**
   * False: another writer was faster, or another controller leads. The next tick reads the new
   * state.
   */
  async #commit(writes: readonly Write[], unchanged: CommitOptions["unchanged"] = []): Promise<boolean> {
    const { store, log } = this.#options;
    if (this.#epoch === undefined || !this.#leads()) return false;
    const result = await store.commit(writes, { epoch: this.#epoch, unchanged });
    if (result.kind !== "committed") log.debug({ result }, "a write was refused; planning again");
    this.wake();
    return result.kind === "committed";
  }
}
