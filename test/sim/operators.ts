import { mutate } from "../../src/api/mutations.ts";
import { firstRecord, nextRecord } from "../../src/core/change.ts";
import type { DeploymentRecord, DeploymentSpec } from "../../src/core/deployment.ts";
import type { Resources } from "../../src/core/resources.ts";
import { spec as plainSpec } from "../core/plan-world.ts";
import { type ProgramKind, programs, type SimulatedWorld } from "./simulated-world.ts";
import type { WatchedStore } from "./watched.ts";

const names = ["ant", "bee", "cat"];
const sizes: readonly Resources[] = [
  { cpuMilli: 1_000, gpuMilli: 0, memoryBytes: 0 },
  { cpuMilli: 500, gpuMilli: 0, memoryBytes: 2 ** 30 },
  { cpuMilli: 2_000, gpuMilli: 0, memoryBytes: 2 ** 29 },
  { cpuMilli: 100, gpuMilli: 400, memoryBytes: 0 },
  { cpuMilli: 100, gpuMilli: 1_000, memoryBytes: 0 },
];

/** What somebody asked for; asked again, under the same id, until it is answered. */
interface Wish {
  readonly name: string;
  readonly requestId: string;
  readonly change: (before: DeploymentRecord | undefined) => DeploymentRecord | undefined;
}

/** People who deploy, scale, change and delete; all by the dice. */
export class Operators {
  readonly #world: SimulatedWorld;
  readonly #store: WatchedStore;
  #open: readonly Wish[] = [];
  #wishes = 0;

  constructor(world: SimulatedWorld) {
    this.#world = world;
    this.#store = world.clientStore();
  }

  /** Asks for something new. */
  async wish(): Promise<void> {
    const { random } = this.#world;
    const name = random.pick(names);
    const known = this.#world.witness.ledger.deployments.has(name);
    const ask = known ? random.pick([this.#rollout, this.#rollout, this.#scale, this.#scale, this.#tune, this.#remove]) : this.#deploy;
    const change = ask.call(this);
    await this.#try({ name, requestId: `request-${this.#wishes++}`, change: (before) => renamed(change(before), name) });
  }

  /** Asks again for what was not answered. True: nothing is left. */
  async insist(): Promise<boolean> {
    const open = this.#open;
    this.#open = [];
    for (const wish of open) await this.#try(wish);
    return this.#open.length === 0;
  }

  async #try({ name, requestId, change }: Wish): Promise<void> {
    const answer = (after: DeploymentRecord | undefined) => JSON.stringify(after?.generation ?? null);
    try {
      await mutate(this.#store, { name, change, request: { id: requestId, fingerprint: name, answer } });
    } catch {
      this.#open = [...this.#open, { name, requestId, change }];
    }
  }

  #deploy(): Wish["change"] {
    const spec = this.#spec();
    return (before) => (before === undefined ? firstRecord(spec, `uid-${spec.version}`, this.#nowMs) : before);
  }

  #rollout(): Wish["change"] {
    const { program, version, resources, numReplicas } = this.#spec();
    const scales = this.#world.random.chance(0.2);
    const resizes = this.#world.random.chance(0.2);
    return this.#update(({ spec }) => ({
      ...spec,
      program,
      version,
      numReplicas: scales ? numReplicas : spec.numReplicas,
      resources: resizes ? resources : spec.resources,
    }));
  }

  #scale(): Wish["change"] {
    const { numReplicas } = this.#spec();
    return this.#update(({ spec }) => ({ ...spec, numReplicas }));
  }

  #tune(): Wish["change"] {
    const { gracefulShutdownTimeoutMs, startupTimeoutMs } = this.#spec();
    return this.#update(({ spec }) => ({ ...spec, gracefulShutdownTimeoutMs, startupTimeoutMs }));
  }

  #remove(): Wish["change"] {
    return (before) =>
      before === undefined || before.deletingSinceMs !== undefined
        ? before
        : { ...before, generation: before.generation + 1, updatedAtMs: this.#nowMs, deletingSinceMs: this.#nowMs };
  }

  #update(change: (record: DeploymentRecord) => DeploymentSpec): Wish["change"] {
    return (before) =>
      before === undefined || before.deletingSinceMs !== undefined ? before : nextRecord(before, change(before), this.#nowMs);
  }

  #spec(): DeploymentSpec {
    const { random } = this.#world;
    const program: ProgramKind = random.chance(0.85) ? "good" : random.pick(programs);
    return {
      ...plainSpec,
      version: `v${this.#wishes}`,
      program: { kind: "command", argv: [program] },
      numReplicas: random.pick([0, 1, 1, 2, 2, 3, 4, 5, 5, 10]),
      resources: random.pick(sizes),
      gracefulShutdownTimeoutMs: random.pick([300, 2_000, 6_000]),
      startupTimeoutMs: random.pick([3_000, 4_000]),
    };
  }

  get #nowMs(): number {
    return this.#world.clock.nowMs();
  }
}

function renamed(record: DeploymentRecord | undefined, name: string): DeploymentRecord | undefined {
  return record === undefined || record.spec.name === name ? record : { ...record, spec: { ...record.spec, name } };
}
