import type { Random } from "../../src/clock/clock.ts";
import type { ConfigPhase } from "../../src/core/config-change.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { wantedConfig } from "../../src/links/committed.ts";
import type { ReplicaPort } from "../../src/links/replica-port.ts";
import { silentLog } from "../../src/log/log.ts";
import { AutoscaleLoop } from "../../src/loops/autoscale-loop.ts";
import { ConfigChangeLoop } from "../../src/loops/config-change-loop.ts";
import { LeaseKeeper } from "../../src/loops/lease-keeper.ts";
import { ReconcileLoop } from "../../src/loops/reconcile-loop.ts";
import { Mirror } from "../../src/store/mirror.ts";
import type { Store } from "../../src/store/store.ts";
import type { SimulatedClock } from "./simulated-clock.ts";
import type { SimulatedEngine } from "./simulated-engine.ts";
import { type Behaviours, type ConfigCall, SimulatedPort } from "./simulated-port.ts";
import { type Line, WatchedEngine, WatchedPort, WatchedStore } from "./watched.ts";
import { Watch, type Witness } from "./witness.ts";

/** How long a new controller knows nothing of the replicas it meets. */
const introductionMs = 120;

/** Ways to break the rules on purpose: each puts something false between a controller and what it stands on. */
export interface Sabotage {
  /** Between a controller and the store. */
  readonly store?: (store: Store) => Store;
  /** Below everybody: the store itself is wrong. */
  readonly kept?: (store: Store) => Store;
  readonly engine?: (engine: Engine) => Engine;
  readonly port?: (port: ReplicaPort) => ReplicaPort;
  /** Between a controller's copy of the state and its loop. */
  readonly mirror?: (mirror: Mirror) => Mirror;
  readonly epoch?: (epoch: number | undefined) => number | undefined;
}

export interface ControllerOptions {
  readonly id: string;
  readonly kept: Store;
  readonly engine: SimulatedEngine;
  readonly behaviours: Behaviours;
  readonly clock: SimulatedClock;
  readonly random: Random;
  readonly line: Line;
  readonly witness: Witness;
  readonly sabotage: Sabotage;
  /** Requests that wait for a replica. */
  readonly queued: (deployment: string) => number;
  /** What becomes of a call that gives a replica a config. */
  readonly configFate: (replicaId: string, phase: ConfigPhase) => ConfigCall;
  /** Called before a replica is told anything for a change of its deployment's config. */
  readonly amidChange: (controllerId: string, deployment: string) => void;
}

/** A controller without its API: the real mirror, lease and loop over what is simulated. */
export class SimulatedController {
  readonly id: string;
  readonly line: Line;
  readonly mirror: Mirror;
  readonly #port: ReplicaPort;
  readonly loop: ReconcileLoop;
  readonly changes: ConfigChangeLoop;
  readonly autoscale: AutoscaleLoop;
  readonly keeper: LeaseKeeper;
  readonly #end = new AbortController();

  /** Fails while the store is away. */
  static async open(options: ControllerOptions): Promise<SimulatedController> {
    const { id, kept, clock, line, witness, sabotage } = options;
    const watch = new Watch(id);
    const watched = new WatchedStore(kept, clock, line, witness, watch);
    const store = sabotage.store?.(watched) ?? watched;
    const mirror = await Mirror.open({ store, clock, log: silentLog });
    return new SimulatedController(options, watch, store, mirror);
  }

  private constructor(options: ControllerOptions, watch: Watch, store: Store, mirror: Mirror) {
    const { id, engine, behaviours, clock, random, line, witness, sabotage } = options;
    this.id = id;
    this.line = line;
    this.mirror = mirror;
    witness.follow(id, mirror);
    const knowsFromMs = clock.nowMs() + introductionMs;
    const heardFrom = (replicaId: string) =>
      clock.nowMs() >= knowsFromMs && (behaviours.of(replicaId).hangsSinceMs ?? knowsFromMs) >= knowsFromMs;
    const epoch = () => (sabotage.epoch ? sabotage.epoch(this.keeper.epoch) : this.keeper.epoch);
    const wake = () => {
      this.loop.wake();
      this.changes.wake();
    };
    const port = new SimulatedPort({
      engine,
      clock,
      behaviours,
      heardFrom,
      wanted: (replica) => wantedConfig(mirror, replica),
      epoch,
      alive: () => line.alive,
      fate: options.configFate,
      onChange: wake,
    });
    this.#port = port;
    const machine = new WatchedEngine(engine, clock, line, witness, watch);
    this.keeper = new LeaseKeeper({ store, id, catchUp: () => mirror.catchUp(), clock, log: silentLog, onLead: wake });
    const watchedPort = new WatchedPort(sabotage.port?.(port) ?? port, clock, witness, watch, (name) => options.amidChange(id, name));
    this.changes = new ConfigChangeLoop({ mirror, store, port: watchedPort, epoch, clock, log: silentLog });
    this.loop = new ReconcileLoop({
      mirror: sabotage.mirror?.(mirror) ?? mirror,
      store,
      engine: sabotage.engine?.(machine) ?? machine,
      port: watchedPort,
      epoch,
      moduleHost: ["host"],
      clock,
      random,
      log: silentLog,
    });
    this.autoscale = new AutoscaleLoop({
      mirror: sabotage.mirror?.(mirror) ?? mirror,
      store,
      port: sabotage.port?.(port) ?? port,
      epoch,
      queued: options.queued,
      gatewayOngoing: () => 0,
      scheduledMinimum: () => 0,
      clock,
      log: silentLog,
    });
    const look = async () => {
      while (!this.#end.signal.aborted) {
        await this.autoscale.tick();
        await clock.sleep(1_000, this.#end.signal);
      }
    };
    void look();
    mirror.subscribe(wake);
    machine.onExit(() => this.loop.wake());
    clock.after(introductionMs, () => this.loop.wake());
    void this.keeper.run(this.#end.signal);
    void this.loop.run(this.#end.signal);
    void this.changes.run(this.#end.signal);
  }

  /** The replicas that its gateway gives requests to. */
  routes(): readonly string[] {
    const replicas = [...this.mirror.replicas().values()];
    return replicas.flatMap(({ key, value }) => (value.state === "RUNNING" && this.#port.contact(key).routable ? key : []));
  }

  /** Ends as it should: gives the lease up, leaves the replicas. */
  stop(): void {
    this.#end.abort();
    void this.mirror.close();
  }

  /** Ends at once, in the middle of whatever it does. */
  kill(): void {
    this.line.alive = false;
    this.stop();
  }
}
