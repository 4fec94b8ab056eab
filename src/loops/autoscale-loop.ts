import type { Clock } from "../clock/clock.ts";
import { type AutoscaleState, decide, firstAutoscaleState, type LoadSeen, type PutOff } from "../core/autoscaling/autoscale.ts";
import type { AutoscalingConfig } from "../core/autoscaling-config.ts";
import type { DeploymentRecord } from "../core/deployment.ts";
import { sameJson } from "../core/json.ts";
import { ofLife } from "../core/lineage.ts";
import { targetOf } from "../core/rollout/status.ts";
import type { Loads } from "../links/loads.ts";
import type { Log } from "../log/log.ts";
import { Troubles } from "../log/troubles.ts";
import type { Mirror } from "../store/mirror.ts";
import type { Entry, Store } from "../store/store.ts";
import { decisionWrites } from "../store/writes/decision-writes.ts";
import { deploymentWrites } from "../store/writes/deployment-writes.ts";
import { runByCron } from "./cadence.ts";
import type { ReadSchedules } from "./schedules.ts";

/** The assumed length of a start, if none was seen yet. */
const startupDefaultMs = 10_000;
/** How often schedules are read. */
const schedulePollMs = 10_000;
/** A report older than this many intervals is ignored. */
const staleIntervals = 3;

export interface AutoscaleOptions {
  readonly mirror: Mirror;
  readonly store: Store;
  readonly loads: Pick<Loads, "deployment">;
  /** The epoch to act under; undefined: do not act. */
  readonly epoch: () => number | undefined;
  /** Returns the highest minimum of the schedules that hold. */
  readonly scheduledMinimum: ReadSchedules;
  /** When the loop ticks: a cron expression with seconds. */
  readonly cron: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** What is remembered of one deployment. */
interface Memory {
  readonly uid: string;
  readonly config: AutoscalingConfig;
  readonly state: AutoscaleState;
  readonly scheduled: { readonly min: number; readonly atMs: number };
  /** The last stored decision that held the target. Undefined: none was stored. */
  readonly held: { readonly target: number; readonly putOff: PutOff } | undefined;
}

/** Adjusts the target of each autoscaled deployment to its load: read, decide, write. */
export class AutoscaleLoop {
  readonly #options: AutoscaleOptions;
  readonly #troubles: Troubles;
  #memories = new Map<string, Memory>();
  #epoch: number | undefined;
  #ticking: Promise<void> | undefined;

  constructor(options: AutoscaleOptions) {
    this.#options = options;
    this.#troubles = new Troubles(options.log);
  }

  /** Runs until the signal aborts and the tick in work has ended. */
  async run(signal: AbortSignal): Promise<void> {
    const { cron, clock, log } = this.#options;
    await runByCron({ cron, act: () => this.tick(), clock, log }, signal);
    await this.#ticking;
  }

  /**
   * Called when a request waits for a first replica. Ticks now, or after the present tick, which
   * may have been past this deployment.
   */
  wake(deployment: string): void {
    const record = this.#options.mirror.deployment(deployment)?.value;
    if (record?.spec.autoscalingConfig !== undefined && targetOf(record) === 0)
      void (this.#ticking ?? Promise.resolve()).then(() => this.tick());
  }

  /** Decides once for every autoscaled deployment. One tick runs at a time. */
  tick(): Promise<void> {
    this.#ticking ??= this.#tick()
      .catch((cause: unknown) => this.#troubles.failed("one tick", cause, {}, "autoscaling failed; retrying at the next tick"))
      .finally(() => {
        this.#ticking = undefined;
      });
    return this.#ticking;
  }

  async #tick(): Promise<void> {
    const { mirror, epoch } = this.#options;
    const leaderEpoch = epoch();
    // What was seen before another controller led has a gap.
    if (leaderEpoch !== this.#epoch) this.#memories = new Map();
    this.#epoch = leaderEpoch;
    if (leaderEpoch === undefined) return;
    const memories = new Map<string, Memory>();
    for (const entry of mirror.deployments().values()) {
      const { autoscalingConfig, name } = entry.value.spec;
      if (autoscalingConfig === undefined || entry.value.deletingSinceMs !== undefined) continue;
      try {
        memories.set(name, await this.#scale(entry, autoscalingConfig, leaderEpoch));
        this.#troubles.over(name, { deployment: name }, "autoscaling succeeded again");
      } catch (cause) {
        this.#troubles.failed(name, cause, { deployment: name }, "autoscaling failed; retrying at the next tick");
        const before = this.#memories.get(name);
        if (before !== undefined) memories.set(name, before);
      }
    }
    this.#memories = memories;
  }

  async #scale(entry: Entry<"deployment">, config: AutoscalingConfig, epoch: number): Promise<Memory> {
    const { mirror, store, clock, log } = this.#options;
    const { value: deployment, key: name } = entry;
    const nowMs = clock.nowMs();
    const memory = this.#memoryOf(deployment, config, nowMs);
    const scheduled = nowMs - memory.scheduled.atMs < schedulePollMs ? memory.scheduled : this.#schedules(config, nowMs);
    const seen = this.#see(deployment, config, scheduled.min);
    const { decision, state } = decide(config, seen, memory.state, nowMs);
    const { target, putOff, verdict } = decision;
    const held = putOff === undefined ? memory.held : { target, putOff };
    const after = { ...memory, state, scheduled, held };
    if (target === seen.target && sameJson(held, memory.held)) return after;
    const decided = decisionWrites(mirror, deployment, verdict, nowMs);
    const scaled = deploymentWrites(mirror, { ...deployment, autoscaled: { target, sinceMs: nowMs } }, entry, "");
    const { kind: written } = await store.commit(target === seen.target ? decided : [...scaled, ...decided], { epoch });
    // Another writer was faster: the next tick decides again, from the old state.
    if (written !== "committed") return memory;
    if (target !== seen.target) log.info({ deployment: name, from: seen.target, to: target, why: verdict.summary }, "autoscaled");
    return after;
  }

  #memoryOf(deployment: DeploymentRecord, config: AutoscalingConfig, nowMs: number): Memory {
    const { uid } = deployment;
    const known = ofLife(this.#memories.get(deployment.spec.name), deployment);
    if (known !== undefined && (known.config === config || sameJson(known.config, config))) return { ...known, config };
    return {
      uid,
      config,
      state: firstAutoscaleState(config, nowMs),
      scheduled: { min: 0, atMs: Number.NEGATIVE_INFINITY },
      held: undefined,
    };
  }

  #schedules({ schedules }: AutoscalingConfig, nowMs: number): Memory["scheduled"] {
    const { scheduledMinimum, clock } = this.#options;
    return { min: schedules.length === 0 ? 0 : scheduledMinimum(schedules, clock.wallMs()), atMs: nowMs };
  }

  #see(deployment: DeploymentRecord, { metricsIntervalMs }: AutoscalingConfig, scheduledMin: number): LoadSeen {
    const { mirror, loads } = this.#options;
    const { name } = deployment.spec;
    const running = mirror.replicasOf(name).flatMap(({ value }) => (value.state === "RUNNING" ? value : []));
    const load = loads.deployment(name, staleIntervals * metricsIntervalMs);
    const ongoing = load.known ? load.ongoing : undefined;
    const starts = running.map(({ createdAtMs, readyAtMs = 0 }) => readyAtMs - createdAtMs).filter((ms) => ms >= 0);
    const startupMs = starts.length === 0 ? startupDefaultMs : Math.max(...starts);
    return { ongoing, queued: load.queued, running: load.routable, target: targetOf(deployment), scheduledMin, startupMs };
  }
}
