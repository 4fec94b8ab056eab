import type { Random } from "../../src/clock/clock.ts";
import type { DeploymentRecord } from "../../src/core/deployment.ts";
import type { ReplicaRecord, ReplicaState } from "../../src/core/replica.ts";
import { wantedConfig } from "../../src/links/committed.ts";
import { silentLog } from "../../src/log/log.ts";
import { ReconcileLoop } from "../../src/loops/reconcile-loop.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import { Mirror } from "../../src/store/mirror.ts";
import { spec } from "../core/rollout/plan-world.ts";
import { HandClock } from "../store/hand-clock.ts";
import { SimulatedEngine } from "./simulated-engine.ts";
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

/** The controller's loop over a store in memory and replicas that only seem to run. Time passes when it is told to. */
export class SimulatedCluster {
  readonly clock: HandClock;
  readonly store: MemoryStore;
  readonly engine: SimulatedEngine;
  readonly port: SimulatedPort;
  readonly mirror: Mirror;
  readonly loop: ReconcileLoop;

  private constructor(clock: HandClock, store: MemoryStore, mirror: Mirror, epoch: number) {
    this.clock = clock;
    this.store = store;
    this.mirror = mirror;
    this.engine = new SimulatedEngine({ clock, capacity });
    this.port = new SimulatedPort({ engine: this.engine, clock, wanted: (replica) => wantedConfig(mirror, replica), epoch: () => epoch });
    this.loop = new ReconcileLoop({
      mirror,
      store,
      engine: this.engine,
      port: this.port,
      epoch: () => epoch,
      moduleHost: ["host"],
      clock,
      random: new CountingRandom(),
      log: silentLog,
    });
  }

  static async open(): Promise<SimulatedCluster> {
    const clock = new HandClock();
    const store = new MemoryStore({ clock });
    const mirror = await Mirror.open({ store, clock, log: silentLog });
    const lease = await store.acquireLease("simulated", leaseMs);
    if (!lease.held) throw new Error("nobody else can hold the lease");
    return new SimulatedCluster(clock, store, mirror, lease.epoch);
  }

  /** Asks for a deployment, or changes how many replicas it wants. */
  async deploy(name: string, numReplicas: number): Promise<void> {
    const known = await this.store.get("deployment", name);
    const nowMs = this.clock.nowMs();
    const fresh = {
      uid: `uid-${name}`,
      revision: 1,
      newestRevision: 1,
      configGeneration: 1,
      newestConfigGeneration: 1,
      createdAtMs: nowMs,
    };
    const value: DeploymentRecord = {
      ...(known?.value ?? fresh),
      spec: { ...spec, name, numReplicas },
      generation: (known?.value.generation ?? 0) + 1,
      updatedAtMs: nowMs,
    };
    const { kind } = await this.store.commit([{ put: "deployment", key: name, version: known?.version ?? 0, value }]);
    if (kind !== "committed") throw new Error(`the deployment was not written: ${kind}`);
  }

  /** Lets time pass, then the loop look once. */
  async tick(ms: number): Promise<void> {
    this.clock.pass(ms);
    await this.loop.tick();
  }

  async replicas(state: ReplicaState): Promise<readonly ReplicaRecord[]> {
    await this.mirror.catchUp();
    return [...this.mirror.replicas().values()].flatMap(({ value }) => (value.state === state ? value : []));
  }

  async close(): Promise<void> {
    await this.mirror.close();
    await this.store.close();
  }
}
