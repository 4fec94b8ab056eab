import type { Clock } from "../clock/clock.ts";
import {
  afterCalls,
  answerMaxMs,
  type CallResult,
  type ConfigChangeRecord,
  calledIn,
  committedConfig,
  configOf,
  givenUp,
  isOver,
  phaseOf,
  toReplace,
} from "../core/config-change.ts";
import type { DeploymentRecord } from "../core/deployment.ts";
import type { ReplicaFailure } from "../core/ending.ts";
import { changed } from "../core/generations.ts";
import { ofLife } from "../core/lineage.ts";
import { advance, isFailing, type ReplicaRecord } from "../core/replica.ts";
import type { ReplicaPort } from "../links/replica-port.ts";
import type { Log } from "../log/log.ts";
import { Troubles } from "../log/troubles.ts";
import type { Mirror } from "../store/mirror.ts";
import type { Entry, Store, Write } from "../store/store.ts";
import { putChange } from "../store/writes/change-writes.ts";
import { deploymentWrites } from "../store/writes/deployment-writes.ts";
import { putReplica } from "../store/writes/replica-writes.ts";

/** The longest sleep between two ticks. Events shorten it. */
const periodMs = 1_000;
/** The wait after a step that failed, for example because the store is unavailable. */
const retryMs = 100;

export interface ConfigChangeLoopOptions {
  readonly mirror: Mirror;
  readonly store: Store;
  readonly port: ReplicaPort;
  /** The epoch to act under; undefined: do not act. */
  readonly epoch: () => number | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Carries out changes of config, step by step. Each step is written before the next one, so that
 * the next leader continues from there.
 */
export class ConfigChangeLoop {
  readonly #options: ConfigChangeLoopOptions;
  readonly #troubles: Troubles;
  readonly #working = new Map<string, Promise<void>>();
  #wake = new AbortController();

  constructor(options: ConfigChangeLoopOptions) {
    this.#options = options;
    this.#troubles = new Troubles(options.log);
  }

  /** Ends the sleep: something has changed. */
  wake(): void {
    this.#wake.abort("woken");
  }

  /** Runs until the signal aborts and the steps in work have ended. */
  async run(signal: AbortSignal): Promise<void> {
    const { mirror, clock, epoch } = this.#options;
    while (!signal.aborted) {
      this.#wake = new AbortController();
      for (const { key, value } of epoch() === undefined ? [] : mirror.changes().values()) {
        if (isOver(value) || this.#working.has(key)) continue;
        this.#working.set(
          key,
          this.#make(key, signal).finally(() => this.#working.delete(key)),
        );
      }
      await clock.sleep(periodMs, AbortSignal.any([signal, this.#wake.signal]));
    }
    await Promise.all(this.#working.values());
  }

  /** Carries out one change until it is over, or as long as this controller leads. */
  async #make(name: string, signal: AbortSignal): Promise<void> {
    const { mirror, clock, epoch } = this.#options;
    let written: number | undefined;
    while (!signal.aborted && epoch() !== undefined) {
      try {
        await (written === undefined ? mirror.catchUp() : mirror.reach(written));
        const change = mirror.changes().get(name);
        if (change === undefined || isOver(change.value)) return;
        written = await this.#step(change, signal);
        this.#troubles.over(name, { deployment: name }, "a config change goes on");
        if (written === undefined) await clock.sleep(retryMs, signal);
      } catch (cause) {
        written = undefined;
        this.#troubles.failed(name, cause, { deployment: name }, `a config change failed; retrying in ${retryMs} ms`);
        await clock.sleep(retryMs, signal);
      }
    }
  }

  /**
   * Takes one step. Returns the position that it wrote. Undefined: nothing was written, because
   * another writer was faster or another controller leads; the step must be repeated.
   */
  async #step(entry: Entry<"change">, signal: AbortSignal): Promise<number | undefined> {
    const { mirror, epoch } = this.#options;
    const change = entry.value;
    const leaderEpoch = epoch();
    if (leaderEpoch === undefined) return undefined;
    const before = mirror.deployment(change.deployment);
    if (before === undefined || !isWanted(change, before.value)) return this.#write(leaderEpoch, entry, before, givenUp(change));
    const results = await this.#callAll(entry, before.value, signal);
    if (signal.aborted || epoch() !== leaderEpoch) return undefined;
    const after = mirror.deployment(change.deployment);
    return this.#write(leaderEpoch, entry, after, isWanted(change, after?.value) ? afterCalls(change, results) : givenUp(change));
  }

  /**
   * Calls the replicas of this step, including replicas that start to run during the step. Replicas
   * that are removed during it are no longer needed.
   */
  async #callAll(
    { value: change, version }: Entry<"change">,
    deployment: DeploymentRecord,
    signal: AbortSignal,
  ): Promise<readonly CallResult[]> {
    const { mirror } = this.#options;
    const results = new Map<string, CallResult>();
    for (;;) {
      const running = this.#running(deployment).map(({ id }) => id);
      const still = new Set(running);
      const answers = [...results.values()].map((result) => (still.has(result.replicaId) ? result : this.#resultOf(result.replicaId)));
      const missing = calledIn(change, running, answers);
      if (missing.length === 0 || signal.aborted)
        return answers.some(({ kind }) => kind !== "gone") ? answers : [...answers, ...this.#failedSince(version, deployment)];
      for (const result of await this.#call(change, deployment, missing, signal)) results.set(result.replicaId, result);
      await mirror.catchUp();
    }
  }

  /** The result of a replica that was called and no longer runs. */
  #resultOf(replicaId: string): CallResult {
    const replica = this.#options.mirror.replica(replicaId)?.value;
    return replica !== undefined && hasFailed(replica) ? endedBy(replica) : { replicaId, kind: "gone" };
  }

  /**
   * Replicas that failed since this step began, by the positions of the writes: perhaps a former
   * leader called them, and cannot say so any more.
   */
  #failedSince(stepVersion: number, deployment: DeploymentRecord): readonly CallResult[] {
    const replicas = this.#options.mirror.lineage(deployment).replicas();
    const since = replicas.flatMap(({ value, version }) => (version > stepVersion ? value : []));
    const ours = since.filter(({ revision, readyAtMs }) => revision === deployment.revision && readyAtMs !== undefined);
    return ours.filter(hasFailed).map(endedBy);
  }

  async #call(
    change: ConfigChangeRecord,
    deployment: DeploymentRecord,
    ids: readonly string[],
    signal: AbortSignal,
  ): Promise<readonly CallResult[]> {
    const { mirror, port, epoch } = this.#options;
    const phase = phaseOf(change);
    const committed = committedConfig(deployment, deployment.revision, () => undefined);
    const config = phase === "REVERT" && committed !== undefined ? committed : configOf(change.spec, change.generation);
    const order = { phase, config, answerMaxMs: answerMaxMs[phase] };
    const leaderEpoch = epoch();
    const calls = new Map(ids.map((id) => [id, new AbortController()]));
    // Stops waiting for replicas that were removed or have ended; and for all, once this controller
    // no longer leads.
    const leave = () => {
      for (const [id, call] of calls) if (epoch() !== leaderEpoch || mirror.replica(id)?.value.state !== "RUNNING") call.abort("gone");
    };
    const end = () => {
      for (const call of calls.values()) call.abort("ended");
    };
    const unsubscribe = mirror.subscribe(leave);
    signal.addEventListener("abort", end);
    try {
      return await Promise.all([...calls].map(([id, call]) => port.giveConfig(id, order, call.signal)));
    } finally {
      signal.removeEventListener("abort", end);
      unsubscribe();
    }
  }

  /** The running replicas of the wanted revision. */
  #running(deployment: DeploymentRecord): readonly ReplicaRecord[] {
    const replicas = this.#options.mirror.lineage(deployment).replicas();
    return replicas.flatMap(({ value }) => (value.state === "RUNNING" && value.revision === deployment.revision ? value : []));
  }

  async #write(
    epoch: number,
    entry: Entry<"change">,
    deployment: Entry<"deployment"> | undefined,
    next: ConfigChangeRecord,
  ): Promise<number | undefined> {
    const { store, log } = this.#options;
    const writes: readonly Write[] = [putChange(next, entry.version), ...this.#endWrites(deployment, next)];
    const result = await store.commit(writes, { epoch });
    if (result.kind !== "committed") return undefined;
    if (isOver(next)) log.info({ deployment: next.deployment, configGeneration: next.generation, end: next.step }, "config change ended");
    return result.positions.at(-1);
  }

  /** The writes at the end of a change. */
  #endWrites(entry: Entry<"deployment"> | undefined, next: ConfigChangeRecord): readonly Write[] {
    const { mirror, clock } = this.#options;
    if (!isOver(next) || entry?.value.changing !== next.id) return [];
    const nowMs = Math.max(clock.nowMs(), entry.value.updatedAtMs);
    const deployment = changed(entry.value, nowMs, next.step === "COMMITTED" ? next : undefined);
    const replaced = toReplace(next).flatMap(({ replicaId, problem, revertProblem }): Write[] => {
      const replica = mirror.replica(replicaId);
      if (replica?.value.state !== "RUNNING") return [];
      const departure = { kind: "unknownConfig", problem: revertProblem ?? problem } as const;
      const value = advance(replica.value, "DRAINING", clock.nowMs(), { departure });
      return [putReplica(value, replica.version)];
    });
    return [...deploymentWrites(mirror, deployment, entry, next.author), ...replaced];
  }
}

/** Whether it ran, and failed by itself. */
const hasFailed = (replica: ReplicaRecord): boolean => replica.state === "FAILED" || isFailing(replica);

const gone: ReplicaFailure = { cause: { kind: "ended", ending: { kind: "unknown" }, served: true }, lines: [] };

/** Without the printed lines, which are kept with the replica. */
function endedBy({ id: replicaId, failure = gone }: ReplicaRecord): CallResult {
  return { replicaId, kind: "ended", problem: { kind: "failed", failure: { ...failure, lines: [] } } };
}

/** Whether the deployment still waits for this change, and is not being deleted. */
function isWanted(change: ConfigChangeRecord, deployment: DeploymentRecord | undefined): boolean {
  const owner = ofLife(deployment, change);
  return owner !== undefined && owner.changing === change.id && owner.deletingSinceMs === undefined;
}
