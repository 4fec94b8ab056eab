import type { Clock } from "../../src/clock/clock.ts";
import { answerMaxMs, type CallResult, type ConfigPhase, type ReplicaConfig } from "../../src/core/config-change.ts";
import type { ConfigProblem, FailureCause } from "../../src/core/ending.ts";
import type { ReplicaRecord } from "../../src/core/replica.ts";
import { elsewhereOf } from "../../src/core/traffic/load.ts";
import {
  type ConfigOrder,
  type LinkedReplica,
  type LiveReplicaPort,
  noContact,
  type ReplicaContact,
} from "../../src/links/replica-port.ts";
import type { WantedConfig } from "../../src/links/wanted-config.ts";
import { SimulatedConfigs } from "./simulated-configs.ts";
import type { SimulatedEngine } from "./simulated-engine.ts";

/** How a replica behaves once it serves; what is not said is as in a healthy idle one. */
export interface Behaviour {
  readonly ongoing: number;
  readonly completed: number;
  readonly failed: number;
  /** Its answer, with `failure` why it failed. */
  readonly answer: "ready" | "refused" | "unhealthy";
  readonly failure: FailureCause | undefined;
  /**
   * Since when it does not answer; undefined: it answers. A controller that was connected finds it
   * unhealthy; another one learns nothing of it.
   */
  readonly hangsSinceMs: number | undefined;
  /**
   * Since when its load stream is broken: nothing is known of its load, and it gets no requests.
   * Undefined: it is not.
   */
  readonly silentSinceMs: number | undefined;
  /** What it reports while its reports come late; undefined: they do not. */
  readonly lateOngoing: number | undefined;
  /** When the late reports were made. */
  readonly lateSinceMs: number | undefined;
  /** The models that it has loaded, the one used longest ago first; undefined: it holds none. */
  readonly models: readonly string[] | undefined;
  /** What it reports of models while its reports come late. */
  readonly lateModels: readonly string[] | undefined;
}

/** How many models a replica holds that holds any. */
export const simulatedModelsMax = 3;

const healthy: Behaviour = {
  ongoing: 0,
  completed: 0,
  failed: 0,
  answer: "ready",
  failure: undefined,
  hangsSinceMs: undefined,
  silentSinceMs: undefined,
  lateOngoing: undefined,
  lateSinceMs: undefined,
  models: undefined,
  lateModels: undefined,
};

/** How long a replica that hangs is not missed. */
export const simulatedSilentMs = 1_000;

const noSuchColour: ConfigProblem = { kind: "refused", message: "no such colour", violations: [] };

/** It refused its config. */
export const refusesConfig: Partial<Behaviour> = { answer: "refused", failure: { kind: "configRefused", problem: noSuchColour } };

/** How all replicas behave, for all controllers. */
export class Behaviours {
  readonly configs = new SimulatedConfigs();
  readonly #behaviours = new Map<string, Behaviour>();

  of(replicaId: string): Behaviour {
    return this.#behaviours.get(replicaId) ?? healthy;
  }

  /** The replica behaves so from now on. */
  set(replicaId: string, behaviour: Partial<Behaviour>): void {
    this.#behaviours.set(replicaId, { ...this.of(replicaId), ...behaviour });
  }
}

/**
 * What becomes of one call that gives a config: how long it takes (for ever: it is not answered),
 * and what goes wrong.
 */
export interface ConfigCall {
  readonly delayMs: number;
  readonly fails: boolean;
  /** It is taken, and that is never heard of. */
  readonly losesAnswer: boolean;
  readonly crashes: boolean;
}

const smooth: ConfigCall = { delayMs: 0, fails: false, losesAnswer: false, crashes: false };

export interface SimulatedPortOptions {
  readonly engine: SimulatedEngine;
  /** The clock of the controller that talks. */
  readonly clock: Clock;
  /** Its time at a time at which a replica behaves so. Default: the same. */
  readonly fromWorld?: (worldMs: number) => number;
  readonly behaviours?: Behaviours;
  /** Whether it has heard of a replica that it met. */
  readonly heardFrom?: (replicaId: string) => boolean;
  readonly wanted: (replica: ReplicaRecord) => WantedConfig | undefined;
  readonly epoch: () => number | undefined;
  /** Whether the controller that talks lives. */
  readonly alive?: () => boolean;
  readonly fate?: (replicaId: string, phase: ConfigPhase) => ConfigCall;
  /** Requests that this controller's gateway has given to a replica and that have not ended. */
  readonly given?: (replicaId: string) => number;
}

/**
 * Talks to the processes of a simulated engine: what it says of them is so at this moment; to take
 * a config takes them a while.
 */
export class SimulatedPort implements LiveReplicaPort {
  readonly #options: SimulatedPortOptions;
  readonly #behaviours: Behaviours;
  #met: ReadonlyMap<string, LinkedReplica> = new Map();
  /** The replicas that it was connected to: their last answer holds, also when they are gone. */
  readonly #heard = new Set<string>();
  /**
   * The generation that each was heard to serve by, and the epoch in which it was last made sure
   * of.
   */
  readonly #sure = new Map<string, { readonly generation: number; readonly epoch: number }>();
  /** One call at a time to each. */
  readonly #turns = new Map<string, Promise<unknown>>();
  readonly #syncing = new Set<string>();
  /**
   * Those that took the committed config from it, and those that said to it that nothing is in work
   * any more.
   */
  readonly #given = new Set<string>();
  readonly #drained = new Set<string>();
  /** Those to drain whatever their record says. */
  readonly #draining = new Set<string>();
  readonly #contactSinceMs = new Map<string, number>();
  readonly #changeListeners = new Set<(deployment: string) => void>();
  readonly #reportListeners = new Set<(replicaId: string, ongoing: number) => void>();

  constructor(options: SimulatedPortOptions) {
    this.#options = options;
    this.#behaviours = options.behaviours ?? new Behaviours();
  }

  /** The replica behaves so from now on. */
  behave(replicaId: string, behaviour: Partial<Behaviour>): void {
    this.#behaviours.set(replicaId, behaviour);
  }

  onChange(listener: (deployment: string) => void): () => void {
    this.#changeListeners.add(listener);
    return () => this.#changeListeners.delete(listener);
  }

  onReport(listener: (replicaId: string, ongoing: number) => void): () => void {
    this.#reportListeners.add(listener);
    return () => this.#reportListeners.delete(listener);
  }

  /** Something was learnt of a replica, and its load is reported. */
  learn(replicaId: string): void {
    const deployment = this.#met.get(replicaId)?.replica.deployment;
    if (deployment === undefined) return;
    this.#hear(replicaId);
    for (const listener of this.#changeListeners) listener(deployment);
    const { load } = this.contact(replicaId);
    if (load !== undefined) for (const listener of this.#reportListeners) listener(replicaId, load.ongoing);
  }

  connect(replicas: readonly LinkedReplica[]): void {
    const nowMs = this.#options.clock.nowMs();
    const reachable = replicas.filter(({ replica }) => replica.address !== undefined);
    const ids = new Set(reachable.map(({ replica }) => replica.id));
    for (const id of this.#met.keys())
      if (!ids.has(id))
        for (const known of [this.#contactSinceMs, this.#sure, this.#given, this.#drained, this.#draining, this.#heard]) known.delete(id);
    for (const id of ids) if (!this.#contactSinceMs.has(id)) this.#contactSinceMs.set(id, nowMs);
    this.#met = new Map(reachable.map((linked) => [linked.replica.id, linked]));
    for (const id of ids) this.#hear(id);
  }

  drain(replicaId: string): void {
    this.#draining.add(replicaId);
  }

  /** A replica that serves is brought to the committed config at once. */
  #hear(replicaId: string): void {
    if (this.#hears(replicaId)) this.#heard.add(replicaId);
    const linked = this.#met.get(replicaId);
    if (linked === undefined || !this.#heard.has(replicaId) || this.#syncing.has(replicaId)) return;
    if (this.#due(linked.replica) !== undefined) void this.#sync(replicaId);
  }

  /** The config to give the replica now. Undefined: none. */
  #due(replica: ReplicaRecord): ReplicaConfig | undefined {
    const { wanted, epoch } = this.#options;
    const { state } = this.#met.get(replica.id)?.replica ?? replica;
    const leaderEpoch = epoch();
    if (leaderEpoch === undefined || (state !== "STARTING" && state !== "RUNNING")) return undefined;
    const { config, changing } = wanted(replica) ?? {};
    const sure = this.#sure.get(replica.id);
    return config === undefined || changing || (sure?.generation === config.generation && sure.epoch === leaderEpoch) ? undefined : config;
  }

  async giveConfig(replicaId: string, { phase, config, answerMaxMs }: ConfigOrder, signal: AbortSignal): Promise<CallResult> {
    const { clock } = this.#options;
    const untilMs = clock.nowMs() + answerMaxMs;
    while (!signal.aborted && clock.nowMs() < untilMs) {
      const answer = this.#hears(replicaId) ? await this.#call(replicaId, phase, config, untilMs - clock.nowMs(), signal) : undefined;
      if (answer === "taken") return { replicaId, kind: "done" };
      if (answer === "refused") return { replicaId, kind: "refused", problem: noSuchColour };
      await clock.sleep(100, signal);
    }
    return signal.aborted ? { replicaId, kind: "gone" } : { replicaId, kind: "silent", problem: { kind: "late", withinMs: answerMaxMs } };
  }

  /** Brings a replica to the committed config, as a link does. */
  async #sync(replicaId: string): Promise<void> {
    const { epoch, clock } = this.#options;
    this.#syncing.add(replicaId);
    try {
      for (;;) {
        const linked = this.#met.get(replicaId);
        if (linked === undefined || !this.#hears(replicaId)) return;
        const answer = await this.#inTurn(replicaId, async () => {
          const leaderEpoch = epoch();
          const config = this.#due(linked.replica);
          if (config === undefined || leaderEpoch === undefined) return "idle";
          const phase = config.generation > this.#behaviours.configs.of(replicaId).generation ? "APPLY" : "REVERT";
          return this.#send(replicaId, phase, config, answerMaxMs[phase], new AbortController().signal);
        });
        if (answer === "taken") this.#given.add(replicaId);
        if (answer === "refused") this.behave(replicaId, refusesConfig);
        if (answer !== "idle") this.learn(replicaId);
        if (answer !== undefined) return;
        await clock.sleep(100);
      }
    } finally {
      this.#syncing.delete(replicaId);
    }
  }

  #call(replicaId: string, phase: ConfigPhase, config: ReplicaConfig, leftMs: number, signal: AbortSignal) {
    return this.#inTurn(replicaId, () => this.#send(replicaId, phase, config, leftMs, signal));
  }

  /** Undefined: no answer. */
  async #send(
    replicaId: string,
    phase: ConfigPhase,
    config: ReplicaConfig,
    leftMs: number,
    signal: AbortSignal,
  ): Promise<"taken" | "refused" | undefined> {
    const { clock, epoch, engine, alive = () => true, fate = () => smooth } = this.#options;
    const leaderEpoch = epoch();
    if (leaderEpoch === undefined || signal.aborted) return undefined;
    const { delayMs, fails, losesAnswer, crashes } = fate(replicaId, phase);
    const hangs = () => this.#behaviours.of(replicaId).hangsSinceMs !== undefined;
    if (delayMs > 0) await clock.sleep(Math.min(delayMs, leftMs), signal);
    if (!alive()) return new Promise(() => {});
    if (crashes) engine.end(replicaId, { kind: "exit", code: 4 }, ["that colour was too much"]);
    if (delayMs > leftMs || hangs() || !engine.serves(replicaId) || signal.aborted) return undefined;
    const answer = this.#behaviours.configs.call(replicaId, phase, config, leaderEpoch, fails);
    if (losesAnswer || answer === "stale") return undefined;
    const { generation } = this.#behaviours.configs.of(replicaId);
    this.#sure.set(replicaId, { generation, epoch: phase === "PREPARE" || answer === "refused" ? -1 : leaderEpoch });
    return answer;
  }

  async #inTurn<T>(replicaId: string, act: () => Promise<T>): Promise<T> {
    const turn = (this.#turns.get(replicaId) ?? Promise.resolve()).then(act);
    this.#turns.set(replicaId, turn);
    return turn;
  }

  #hears(replicaId: string): boolean {
    const { engine, heardFrom = () => true } = this.#options;
    return engine.serves(replicaId) && heardFrom(replicaId);
  }

  contact(replicaId: string): ReplicaContact {
    const linked = this.#met.get(replicaId);
    if (linked === undefined) return noContact;
    const contactSinceMs = this.#contactSinceMs.get(replicaId);
    if (!this.#hears(replicaId)) {
      const unheard = { ...noContact, contactSinceMs };
      const known = { answer: this.#behaviours.of(replicaId).answer, controllable: true, invocable: true };
      return this.#heard.has(replicaId) ? { ...unheard, ...known } : unheard;
    }
    const { ongoing, completed, failed, answer, failure, silentSinceMs, lateOngoing, lateSinceMs, hangsSinceMs, models, lateModels } =
      this.#behaviours.of(replicaId);
    const { replica } = linked;
    const { clock, fromWorld = (worldMs: number) => worldMs } = this.#options;
    const nowMs = clock.nowMs();
    const times = [lateSinceMs, hangsSinceMs].flatMap((worldMs) => (worldMs === undefined ? [] : fromWorld(worldMs)));
    const configGeneration = this.#sure.get(replicaId)?.generation ?? this.#behaviours.configs.of(replicaId).generation;
    const reported = lateOngoing ?? ongoing;
    const isSilent = silentSinceMs !== undefined;
    // It answers nothing, for so long that it is noticed.
    const mute = hangsSinceMs !== undefined && nowMs - fromWorld(hangsSinceMs) >= simulatedSilentMs;
    // Before its first request it has its config.
    const waits = replica.state === "STARTING" && answer === "ready" && !this.#given.has(replicaId);
    const drains = replica.state === "DRAINING" || this.#draining.has(replicaId);
    if (drains && ongoing === 0 && !isSilent && this.#options.epoch() !== undefined) this.#drained.add(replicaId);
    return {
      contactSinceMs,
      answer: waits ? "unknown" : answer,
      failure,
      load:
        isSilent || waits
          ? undefined
          : {
              ongoing: reported,
              elsewhere: elsewhereOf(reported, this.#options.given?.(replicaId) ?? 0),
              completed,
              failed,
              // One that hangs makes no reports, late ones neither.
              atMs: Math.min(nowMs, ...times),
            },
      configGeneration,
      drained: this.#drained.has(replicaId),
      routable: answer === "ready" && !isSilent && !waits && !mute,
      silent: mute,
      controllable: true,
      invocable: true,
      services: [],
      ...(models !== undefined && { models: lateModels ?? models, maxModels: simulatedModelsMax }),
    };
  }
}
