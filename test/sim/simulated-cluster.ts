import type { Random } from "../../src/clock/clock.ts";
import { openRouting, type Routing } from "../../src/controller/data-path.ts";
import { type Deciding, openDeciding } from "../../src/controller/deciding.ts";
import type { DeploymentRecord } from "../../src/core/deployment.ts";
import type { ReplicaRecord, ReplicaState } from "../../src/core/replica.ts";
import { noGateway } from "../../src/links/loads.ts";
import { wantedConfig } from "../../src/links/wanted-config.ts";
import { silentLog } from "../../src/log/log.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import { Mirror } from "../../src/store/mirror.ts";
import { HandClock } from "../kit/hand-clock.ts";
import { spec } from "../kit/records.ts";
import { type Fate, SimulatedEngine } from "./simulated-engine.ts";
import { SimulatedPort } from "./simulated-port.ts";

/** What a test world has plenty of. */
const capacity = { cpuMilli: 10_000_000, gpuCount: 0, memoryBytes: 2 ** 50 };
const leaseMs = 2 ** 40;

/** Counts instead of drawing: the same each time. */
class CountingRandom implements Random {
  #drawn = 0;

  next(): number {
    return 0.5;
  }

  id(length: number): string {
    return (this.#drawn++).toString(36).padStart(length, "0");
  }
}

export interface SimulatedClusterOptions {
  /** How many replicas each node takes, where the engine places them. Unset: core places. */
  readonly slots?: ReadonlyMap<string, number>;
  /** What differs from a process that serves 100 ms after its start. */
  readonly fate?: () => Partial<Fate>;
}

/**
 * What decides, as it ships, over a store in memory and replicas that only seem to run. The test
 * advances the time and asks for ticks.
 */
export class SimulatedCluster {
  readonly clock: HandClock;
  readonly store: MemoryStore;
  readonly engine: SimulatedEngine;
  readonly port: SimulatedPort;
  readonly mirror: Mirror;
  readonly routing: Routing;
  readonly deciding: Deciding;
  /** Requests that a gateway has given to each replica. */
  readonly given = new Map<string, number>();

  private constructor(clock: HandClock, store: MemoryStore, mirror: Mirror, epoch: number, options: SimulatedClusterOptions) {
    const lease = { epoch, onLead: () => {}, run: async () => {} };
    const common = { store, mirror, lease, clock, random: new CountingRandom(), log: silentLog };
    this.clock = clock;
    this.store = store;
    this.mirror = mirror;
    this.engine = new SimulatedEngine({ clock, capacity, ...options });
    this.port = new SimulatedPort({ engine: this.engine, clock, wanted: (replica) => wantedConfig(mirror, replica), epoch: () => epoch });
    this.routing = openRouting({ ...common, port: this.port, gateways: { ...noGateway, ongoing: (id) => this.given.get(id) ?? 0 } });
    this.deciding = openDeciding({
      bundles: { sweep: async () => ({ bundles: 0, files: 0 }) },
      ...{ ...common, engine: this.engine, port: this.port, loads: this.routing.loads },
      autoscaleCron: "* * * * * *",
      keepReplicas: true,
    });
  }

  static async open(options: SimulatedClusterOptions = {}): Promise<SimulatedCluster> {
    const clock = new HandClock();
    const store = new MemoryStore({ clock });
    const mirror = await Mirror.open({ store, clock, log: silentLog });
    const lease = await store.acquireLease("simulated", leaseMs);
    if (!lease.held) throw new Error("nobody else can hold the lease");
    return new SimulatedCluster(clock, store, mirror, lease.epoch, options);
  }

  /**
   * Asks for a deployment, or changes how many replicas it wants, and the revision of its program.
   */
  async deploy(name: string, numReplicas: number, revision = 1): Promise<void> {
    const known = await this.store.get("deployment", name);
    const nowMs = this.clock.nowMs();
    const fresh = {
      uid: `uid-${name}`,
      configGeneration: 1,
      newestConfigGeneration: 1,
      createdAtMs: nowMs,
    };
    const value: DeploymentRecord = {
      ...(known?.value ?? fresh),
      spec: { ...spec, name, numReplicas },
      revision,
      newestRevision: revision,
      generation: (known?.value.generation ?? 0) + 1,
      updatedAtMs: nowMs,
    };
    const { kind } = await this.store.commit([{ put: "deployment", key: name, version: known?.version ?? 0, value }]);
    if (kind !== "committed") throw new Error(`the deployment was not written: ${kind}`);
  }

  /**
   * Lets time pass, then the links and the reconcile loop run once. What takes replicas no time is
   * done in between.
   */
  async tick(ms: number): Promise<void> {
    this.clock.pass(ms);
    await this.mirror.catchUp();
    this.routing.keeper.connect();
    await new Promise((done) => setImmediate(done));
    await this.deciding.reconcile.tick();
  }

  async replicas(state: ReplicaState): Promise<readonly ReplicaRecord[]> {
    await this.mirror.catchUp();
    return [...this.mirror.replicas().values()].flatMap(({ value }) => (value.state === state ? value : []));
  }

  async close(): Promise<void> {
    await this.deciding.close();
    await this.routing.close();
    await this.mirror.close();
    await this.store.close();
  }
}
