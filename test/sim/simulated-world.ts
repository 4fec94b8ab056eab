import type { ConfigChangeRecord, ConfigPhase } from "../../src/core/config-change.ts";
import type { Capacity } from "../../src/core/resources.ts";
import type { Assignment } from "../../src/engine/engine.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import type { Store, StoreContent } from "../../src/store/store.ts";
import { Faults, faultKinds } from "./faults.ts";
import { SeededRandom } from "./seeded-random.ts";
import { SimulatedClock } from "./simulated-clock.ts";
import { type Sabotage, SimulatedController } from "./simulated-controller.ts";
import { type Fate, SimulatedEngine } from "./simulated-engine.ts";
import { Behaviours, type ConfigCall, refusesConfig, simulatedModelsMax, simulatedSilentMs } from "./simulated-port.ts";
import { type Line, WatchedStore } from "./watched.ts";
import { Witness } from "./witness.ts";

const never = Number.POSITIVE_INFINITY;
/** How long checks take to notice a replica that hangs. */
const unhealthyAfterMs = 1_500;
/** Changes kept for followers: so few that a follower that was away may have missed some. */
const changesKept = 60;

/** The deployment whose replicas load models. */
const modelsOf = "cat";

const unhealthy = { kind: "unhealthy", failedChecks: 3, problem: { kind: "notServing" } } as const;

/** What a program does that is bad in one revision; the first word of its command line. */
export const programs = ["good", "exits", "hangs", "refuses", "missing"] as const;
export type ProgramKind = (typeof programs)[number];

/**
 * Everything of one history: one machine, one store, controllers that come and go, and the dice.
 */
export class SimulatedWorld {
  readonly clock = new SimulatedClock();
  readonly random: SeededRandom;
  /**
   * Decides the steps of the wall clock, apart from all else, so that a history is the same without
   * them. Undefined: there are none.
   */
  readonly stepsRandom: SeededRandom | undefined;
  /** Whether deployments may have schedules. */
  readonly schedules: boolean;
  readonly faults: Faults;
  readonly behaviours = new Behaviours();
  readonly engine: SimulatedEngine;
  readonly store: MemoryStore;
  readonly witness: Witness;
  readonly trace: (line: string) => void;
  /** What a client does between a controller's observation and its write. */
  amid: () => Promise<void> = async () => {};
  controllers: readonly SimulatedController[] = [];
  /**
   * Whether its one controller stops the replicas when it stops; otherwise they go on, and others
   * may follow or take over.
   */
  readonly exclusive: boolean;
  /** A controller that is stopping: until it is gone, no other starts where it was the only one. */
  stopping: Promise<void> | undefined;
  /** Controllers that are stopping, and act until they have stopped. */
  readonly ending = new Set<SimulatedController>();
  /** What the store lost, as it is also in a file. */
  lost: StoreContent | undefined;
  /** `uid/revision` of programs that were good once, and do not start any more. */
  readonly spoilt = new Set<string>();
  readonly #kept: Store;
  readonly sabotage: Sabotage;
  /** What is called when a request ends, by the replica that has it in work. */
  readonly #requests = new Map<string, Set<(well: boolean) => void>>();
  #named = 0;

  constructor(seed: number, sabotage: Sabotage, trace: (line: string) => void, { steps, schedules } = { steps: true, schedules: true }) {
    const startMs = this.clock.nowMs();
    this.trace = (line) => trace(`${String(this.clock.nowMs() - startMs).padStart(7)} ${line}`);
    this.random = new SeededRandom(seed);
    this.schedules = schedules;
    this.stepsRandom = steps ? new SeededRandom(-seed) : undefined;
    this.faults = new Faults(this.random);
    this.exclusive = this.random.chance(0.25);
    this.engine = new SimulatedEngine({ clock: this.clock, capacity: this.#capacity(), fate: (assignment) => this.#fate(assignment) });
    this.store = new MemoryStore({ clock: this.clock, changesKept });
    this.sabotage = sabotage;
    this.#kept = sabotage.kept?.(this.store) ?? this.store;
    this.witness = new Witness(this.clock, this.engine, this.behaviours, this.trace);
    this.engine.onExit((replicaId) => this.#processEnded(replicaId));
  }

  /** The store as a client reaches it. */
  clientStore(): WatchedStore {
    return new WatchedStore(this.#kept, this.clock, this.#line(false), this.witness);
  }

  /** A controller starts; false: it could not, as the store is away. */
  async startController(): Promise<boolean> {
    const line = this.#line(true);
    const { engine, behaviours, clock, random, witness } = this;
    const configFate = (replicaId: string, phase: ConfigPhase) => this.#configFate(replicaId, phase);
    const amidChange = (id: string, deployment: string) => this.#amidChange(id, deployment);
    const common = {
      kept: this.#kept,
      engine,
      behaviours,
      clock,
      random,
      witness,
      sabotage: this.sabotage,
      configFate,
      amidChange,
      keepReplicas: !this.exclusive,
    };
    if (this.exclusive && (this.controllers.length > 0 || this.stopping !== undefined)) return false;
    try {
      // Nobody is left who would fill it: the first controller that starts does, from the file.
      if (this.controllers.length === 0 && this.ending.size === 0 && this.lost !== undefined) await this.store.fill(this.lost);
      const controller = await SimulatedController.open({ ...common, id: `controller-${this.#named++}`, line });
      this.controllers = [...this.controllers, controller];
      return true;
    } catch {
      return false;
    }
  }

  endController(controller: SimulatedController, how: "stop" | "kill"): void {
    this.controllers = this.controllers.filter((other) => other !== controller);
    if (how === "kill") controller.kill();
    else this.#stop(controller);
    this.engine.abandon();
  }

  #stop(controller: SimulatedController): void {
    this.ending.add(controller);
    const stopped = controller.stop().then(() => this.ending.delete(controller));
    if (!this.exclusive) return;
    this.witness.stopping.add(controller.id);
    this.faults.note("replicas stopped with it");
    this.stopping = stopped.then(() => {
      this.stopping = undefined;
      const [left] = this.engine.alive();
      if (left !== undefined) this.witness.raise({ invariant: "I10", text: `${controller.id} has stopped, and ${left.replicaId} has not` });
    });
  }

  /** A controller may die at any step of a change. */
  #amidChange(id: string, deployment: string): void {
    const controller = this.controllers.find((other) => other.id === id);
    const change = this.witness.ledger.objects.get(`change/${deployment}`);
    const step = change === undefined ? undefined : (JSON.parse(change) as ConfigChangeRecord).step;
    const kind = faultKinds.find((known) => known === `killed in ${step}`);
    if (controller !== undefined && kind !== undefined && this.faults.strikes(kind, step === "REVERT" ? 0.3 : 0.04))
      this.endController(controller, "kill");
  }

  #configFate(_: string, phase: ConfigPhase): ConfigCall {
    const { faults, random } = this;
    const fails = phase === "PREPARE" ? faults.strikes("config refused", 0.06) : faults.strikes("config failed", 0.03);
    const silent = faults.strikes("config not answered", 0.01);
    const slow = !silent && faults.strikes("slow config", 0.03);
    return {
      delayMs: silent ? never : slow ? random.whole(500, 8_000) : random.whole(1, 60),
      fails,
      losesAnswer: faults.strikes("config taken, not answered", 0.02),
      crashes: faults.strikes("crash amid a change", 0.01),
    };
  }

  /**
   * Gives a replica a request that takes so long; `ended` is called when it ends, or the replica
   * does.
   */
  request(replicaId: string, tookMs: number, ended: (well: boolean) => void = () => {}): void {
    const requests = this.#requests.get(replicaId) ?? new Set();
    this.#requests.set(replicaId, requests);
    requests.add(ended);
    this.behaviours.set(replicaId, { ongoing: requests.size });
    this.clock.after(tookMs, () => {
      if (!requests.delete(ended)) return;
      this.behaviours.set(replicaId, { ongoing: requests.size });
      ended(true);
      if (requests.size === 0) this.#learn(replicaId);
    });
  }

  /** A request needs this model: the replica loads it, and unloads another one if it must. */
  use(replicaId: string, model: string): void {
    const { models } = this.behaviours.of(replicaId);
    if (models === undefined) return;
    this.behaviours.set(replicaId, { models: [...models.filter((name) => name !== model), model].slice(-simulatedModelsMax) });
  }

  #processEnded(replicaId: string): void {
    const requests = this.#requests.get(replicaId) ?? new Set();
    this.#requests.delete(replicaId);
    this.behaviours.set(replicaId, { ongoing: 0 });
    for (const ended of [...requests]) {
      requests.delete(ended);
      ended(false);
    }
  }

  /** The replica answers nothing for so long; found unhealthy if that is long enough. */
  hang(replicaId: string, forMs: number): void {
    const back = () => {
      this.behaviours.set(replicaId, { answer: "ready", failure: undefined, hangsSinceMs: undefined });
      this.#learn(replicaId);
    };
    this.clock.after(simulatedSilentMs, () => this.#learn(replicaId));
    this.behaviours.set(replicaId, { hangsSinceMs: this.clock.nowMs() });
    if (forMs >= unhealthyAfterMs) {
      this.clock.after(unhealthyAfterMs, () => {
        this.behaviours.set(replicaId, { answer: "unhealthy", failure: unhealthy });
        this.#learn(replicaId);
      });
    }
    if (Number.isFinite(forMs)) this.clock.after(forMs, back);
  }

  #learn(replicaId: string): void {
    for (const controller of this.controllers) controller.learn(replicaId);
  }

  #capacity(): Capacity {
    const plenty = this.random.chance(0.6);
    if (plenty) return { cpuMilli: 100_000, memoryBytes: 2 ** 40, gpuCount: 100 };
    this.faults.note("short resources");
    return {
      cpuMilli: this.random.whole(1, 10) * 1_000,
      memoryBytes: this.random.whole(2, 12) * 2 ** 30,
      gpuCount: this.random.whole(0, 3),
    };
  }

  #line(isController: boolean): Line {
    const { faults, random } = this;
    let amid = false;
    const line: Line = {
      alive: true,
      cut: false,
      delayMs: (what) => {
        // A new one is waited for while no time passes.
        const slow =
          this.controllers.some((controller) => controller.line === line) &&
          faults.strikes(what === "store" ? "slow store" : "slow engine", 0.004);
        return slow ? random.pick([5, 100, 2_500, 6_000]) : 0;
      },
      losesAnswer: () => faults.strikes("lost answer", isController ? 0.005 : 0.03),
      beforeCommit: async () => {
        if (!isController || amid || !faults.strikes("change amid a look", 0.01)) return;
        amid = true;
        await this.amid();
        amid = false;
      },
    };
    return line;
  }

  #fate({ program, replicaId, uid, revision }: Assignment): Partial<Fate> {
    const { faults, random } = this;
    const kind = program.kind === "command" ? (program.argv[0] as ProgramKind) : "good";
    const bad = this.spoilt.has(`${uid}/${revision}`) ? "exits" : kind;
    if (bad !== "good") faults.note("bad revision");
    if (bad === "missing" || faults.strikes("missing program", 0.01)) return { launchError: "program app was not found" };
    const ignores = faults.strikes("ignored SIGTERM", 0.05);
    const ends = { endsAfterMs: ignores ? never : random.whole(0, 300) };
    if (bad === "exits" || faults.strikes("failing start", 0.06))
      return { ...ends, servesAfterMs: never, failsAfterMs: random.whole(1, 500), errors: ["cannot begin"] };
    if (bad === "hangs" || faults.strikes("hanging start", 0.03)) return { ...ends, servesAfterMs: never };
    if (bad === "refuses" || faults.strikes("refused config", 0.02)) {
      this.behaviours.set(replicaId, refusesConfig);
    }
    if (this.witness.ledger.replicas.get(replicaId)?.deployment === modelsOf) this.behaviours.set(replicaId, { models: [] });
    const preparesForMs = faults.strikes("packages to install", 0.05) ? random.pick([300, 4_000, 30_000]) : 0;
    const addressAfterMs = random.chance(0.1) ? random.whole(1, 300) : 0;
    const servesAfterMs = faults.strikes("slow start", 0.1) ? random.whole(500, 3_500) : random.whole(10, 400);
    this.clock.after(preparesForMs + servesAfterMs, () => this.#learn(replicaId));
    return { ...ends, preparesForMs, addressAfterMs, servesAfterMs };
  }
}
