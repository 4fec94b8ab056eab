import type { WantedSpecs } from "../../src/api/wanted-specs.ts";
import type { Clock, Random } from "../../src/clock/clock.ts";
import { openRouting, type Routing } from "../../src/controller/data-path.ts";
import { type Deciding, openDeciding, openLease } from "../../src/controller/deciding.ts";
import type { ConfigPhase } from "../../src/core/config-change.ts";
import type { GatewayCounts } from "../../src/core/traffic/load.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { Dispatcher } from "../../src/gateway/dispatcher.ts";
import type { Waiter } from "../../src/gateway/visit.ts";
import type { LiveReplicaPort } from "../../src/links/replica-port.ts";
import { wantedConfig } from "../../src/links/wanted-config.ts";
import { silentLog } from "../../src/log/log.ts";
import type { BundleStore } from "../../src/store/bundle-store.ts";
import { Mirror } from "../../src/store/mirror.ts";
import type { Store } from "../../src/store/store.ts";
import type { ProcessClock, SimulatedClock } from "./simulated-clock.ts";
import type { SimulatedEngine } from "./simulated-engine.ts";
import { type Behaviours, type ConfigCall, SimulatedPort } from "./simulated-port.ts";
import { type Line, WatchedEngine, WatchedPort, WatchedStore } from "./watched.ts";
import { Watch, type Witness } from "./witness.ts";

/** How long a new controller knows nothing of the replicas it meets. */
const introductionMs = 120;
/** How long requests may go on while a controller stops. */
const drainMs = 10_000;
const drainPollMs = 100;

/**
 * Ways to break the rules on purpose: each puts something false between a controller and what it
 * stands on.
 */
export interface Sabotage {
  /** Between a controller and the store. */
  readonly store?: (store: Store) => Store;
  /** Below all others: the store itself is wrong. */
  readonly kept?: (store: Store) => Store;
  readonly engine?: (engine: Engine) => Engine;
  readonly port?: (port: LiveReplicaPort) => LiveReplicaPort;
  /** Between a controller's copy of the state and its loop. */
  readonly mirror?: (mirror: Mirror) => Mirror;
  /** Between the sweep of bundles and what is kept of them. */
  readonly bundles?: (bundles: Pick<BundleStore, "sweep">) => Pick<BundleStore, "sweep">;
  readonly epoch?: (epoch: number | undefined) => number | undefined;
  /** Between a gateway and the requests that come to it. */
  readonly dispatcher?: (dispatcher: Dispatcher) => Dispatcher;
  /** What an operator's `Apply` wants. */
  readonly wanted?: (wanted: WantedSpecs) => WantedSpecs;
  /** The clock of a controller. */
  readonly clock?: (clock: Clock) => Clock;
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
  /** Whether the replicas go on when it stops. */
  readonly keepReplicas: boolean;
  /** What becomes of a call that gives a replica a config. */
  readonly configFate: (replicaId: string, phase: ConfigPhase) => ConfigCall;
  /** Called before each call of a config change to a replica. */
  readonly amidChange: (controllerId: string, deployment: string) => void;
}

/**
 * A controller without its API and sockets: what decides and where requests go is assembled as it
 * ships, over a machine, replicas and a store that are simulated.
 */
export class SimulatedController {
  readonly id: string;
  readonly line: Line;
  readonly mirror: Mirror;
  readonly routing: Routing;
  readonly #dispatcher: Dispatcher;
  readonly #door: Dispatcher;
  readonly #deciding: Deciding;
  readonly #port: SimulatedPort;
  readonly #clock: SimulatedClock;
  readonly #given: () => number;

  /** Fails while the store is away. */
  static async open(options: ControllerOptions): Promise<SimulatedController> {
    const { id, kept, clock: world, line, witness, sabotage } = options;
    const watch = new Watch(id);
    const clock = world.beginProcess();
    const watched = new WatchedStore(kept, world, line, witness, watch);
    const store = sabotage.store?.(watched) ?? watched;
    const mirror = await Mirror.open({ store, clock, log: silentLog });
    return new SimulatedController(options, clock, watch, store, mirror);
  }

  private constructor(options: ControllerOptions, own: ProcessClock, watch: Watch, store: Store, mirror: Mirror) {
    const { id, engine, behaviours, clock: world, random, line, witness, sabotage } = options;
    const clock = sabotage.clock?.(own) ?? own;
    this.id = id;
    this.line = line;
    this.mirror = mirror;
    this.#clock = world;
    witness.follow(id, mirror);
    const log = silentLog;
    const keeper = openLease({ store, mirror, id, clock, log });
    const epoch = () => (sabotage.epoch ? sabotage.epoch(keeper.epoch) : keeper.epoch);
    const lease = {
      get epoch() {
        return epoch();
      },
      onLead: (listener: () => void) => keeper.onLead(listener),
      run: (signal: AbortSignal) => keeper.run(signal),
    };
    const knowsFromMs = world.nowMs() + introductionMs;
    const gateways: GatewayCounts = {
      queued: (deployment) => this.#dispatcher.queued(deployment),
      ongoing: (replicaId) => this.#dispatcher.ongoing(replicaId),
      ended: (replicaId) => this.#dispatcher.ended(replicaId),
    };
    const simulated = new SimulatedPort({
      engine,
      clock,
      behaviours,
      fromWorld: (worldMs) => own.fromWorld(worldMs),
      heardFrom: (replicaId) => world.nowMs() >= knowsFromMs && (behaviours.of(replicaId).hangsSinceMs ?? knowsFromMs) >= knowsFromMs,
      wanted: (replica) => wantedConfig(mirror, replica),
      epoch,
      alive: () => line.alive,
      fate: options.configFate,
      given: gateways.ongoing,
    });
    this.#port = simulated;
    const port = sabotage.port?.(simulated) ?? simulated;
    this.routing = openRouting({ mirror, lease, port, gateways, clock, log });
    this.#dispatcher = new Dispatcher({
      routes: this.routing.routes,
      clock,
      random,
      onGone: () => {},
      onCold: (deployment) => this.#deciding.autoscale.wake(deployment),
    });
    this.#door = sabotage.dispatcher?.(this.#dispatcher) ?? this.#dispatcher;
    this.#given = () => engine.alive().reduce((sum, { replicaId }) => sum + this.#dispatcher.ongoing(replicaId), 0);
    const machine = new WatchedEngine(engine, { world, own }, line, witness, watch, () => mirror.position);
    const bundles = {
      sweep: async (needed: ReadonlySet<string>) => {
        witness.swept(needed);
        return { bundles: 0, files: 0 };
      },
    };
    this.#deciding = openDeciding({
      bundles: sabotage.bundles?.(bundles) ?? bundles,
      store,
      mirror: sabotage.mirror?.(mirror) ?? mirror,
      engine: sabotage.engine?.(machine) ?? machine,
      lease,
      port: new WatchedPort(port, witness, watch, (name) => options.amidChange(id, name)),
      loads: this.routing.loads,
      autoscaleCron: "* * * * * *",
      keepReplicas: options.keepReplicas,
      clock,
      random,
      log,
    });
    world.after(introductionMs, () => {
      this.routing.keeper.wake();
      this.#deciding.reconcile.wake();
    });
    this.routing.begin();
    this.#deciding.begin();
  }

  /** The replicas that its gateway gives requests to. */
  routes(): readonly string[] {
    return this.routing.routes.all().flatMap(({ endpoints }) => endpoints.map(({ replicaId }) => replicaId));
  }

  /** Drops the bundles that nothing needs, if this controller leads. */
  sweepBundles(): Promise<void> {
    return this.#deciding.bundleSweep.sweep();
  }

  get dispatcher(): Dispatcher {
    return this.#dispatcher;
  }

  /** A request comes to its gateway. */
  enter(deployment: string, waiter: Waiter, model?: string): void {
    this.#door.enter(deployment, waiter, model);
  }

  /** It hears of a replica, as by a health check or a load report. */
  learn(replicaId: string): void {
    this.#port.learn(replicaId);
  }

  /**
   * Ends as it should: requests end first, then replicas, if they are not to be kept, then the
   * lease.
   */
  async stop(): Promise<void> {
    this.#dispatcher.close();
    for (let waitedMs = 0; waitedMs < drainMs && this.#given() > 0 && this.line.alive; waitedMs += drainPollMs)
      await this.#clock.sleep(drainPollMs);
    await this.#deciding.close();
    await this.routing.close();
    await this.mirror.close();
  }

  /** Ends at once, in the middle of whatever it does. */
  kill(): void {
    this.line.alive = false;
    void this.stop();
  }
}
