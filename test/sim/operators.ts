import { createHash } from "node:crypto";
import { commitEdits, type EditPlan, type MadeEdit } from "../../src/api/edits.ts";
import { planOf, wantedByApply } from "../../src/api/wanted-specs.ts";
import type { AutoscalingConfig } from "../../src/core/autoscaling-config.ts";
import { digestOf } from "../../src/core/bundle.ts";
import type { ConfigChangeRecord } from "../../src/core/config-change.ts";
import type { DeploymentRecord, DeploymentSpec } from "../../src/core/deployment.ts";
import { StatusError } from "../../src/core/errors.ts";
import { changing, firstRecord, nextRecord, paused, resumed, revisionBefore, rolledBack } from "../../src/core/generations.ts";
import type { Resources } from "../../src/core/resources.ts";
import type { RolloutPolicy } from "../../src/core/rollout-policy.ts";
import { silentLog } from "../../src/log/log.ts";
import { Mirror } from "../../src/store/mirror.ts";
import { spec as plainSpec } from "../kit/records.ts";
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

/**
 * A schedule that begins 40 s after the simulated clock starts, and ends within the history: later it
 * would go on changing what should settle.
 */
const earlyMinute = { cron: "14 22 14 11 *", timeZone: "", durationMs: 15_000 };
/** When no schedule holds any more, and the autoscaler knows. */
export const schedulesOverAtMs = 1_700_000_070_000;

/** A request of an operator; repeated with the same id until it is answered. */
interface Wish {
  readonly requestId: string;
  readonly fingerprint: string;
  readonly plan: EditPlan;
}

type Change = (before: DeploymentRecord | undefined) => DeploymentRecord | undefined;

const applicationNames = ["zoo", "farm"];
/** Refusals that asking again does not change. */
const finalReasons = ["OTHER_APPLICATION", "DEPLOYMENT_DELETING"];

/** Operators that deploy, scale, change and delete at random. */
export class Operators {
  readonly #world: SimulatedWorld;
  readonly #store: WatchedStore;
  readonly #mirror: Mirror;
  #open: readonly Wish[] = [];
  #wishes = 0;

  static async open(world: SimulatedWorld): Promise<Operators> {
    const store = world.clientStore();
    return new Operators(world, store, await Mirror.open({ store, clock: world.clock, log: silentLog }));
  }

  private constructor(world: SimulatedWorld, store: WatchedStore, mirror: Mirror) {
    this.#world = world;
    this.#store = store;
    this.#mirror = mirror;
  }

  async close(): Promise<void> {
    await this.#mirror.close();
  }

  get #updates(): readonly (() => Change)[] {
    const often = [this.#rollout, this.#scale];
    return [
      ...often,
      ...often,
      ...often,
      this.#reconfigure,
      this.#reconfigure,
      this.#reconfigure,
      this.#tune,
      this.#remove,
      this.#pause,
      this.#resume,
      this.#resume,
      this.#rollback,
    ];
  }

  /** Asks for something new. */
  async wish(): Promise<void> {
    const { random } = this.#world;
    if (random.chance(0.07)) return this.#try(this.#apply());
    const name = random.pick(names);
    const known = this.#world.witness.ledger.deployments.has(name);
    const ask = known ? random.pick(this.#updates) : this.#deploy;
    const change = ask.call(this);
    const edit = (before: DeploymentRecord | undefined) => {
      const after = renamed(change(before), name);
      const begins = after?.changing !== undefined && after.changing !== before?.changing;
      return { after, ...(begins ? { begins: this.#begun(after) } : {}) };
    };
    const plan: EditPlan = { names: async () => [name], edit, author: "somebody" };
    await this.#try({ requestId: `request-${this.#wishes++}`, fingerprint: name, plan });
  }

  /** Asks again for what was not answered. True: nothing is left. */
  async insist(): Promise<boolean> {
    const open = this.#open;
    this.#open = [];
    for (const wish of open) await this.#try(wish);
    return this.#open.length === 0;
  }

  async #try(wish: Wish): Promise<void> {
    const { requestId: id, fingerprint, plan } = wish;
    try {
      const answer = async (made: readonly MadeEdit[]) => JSON.stringify(made.map(({ after }) => after?.generation ?? null));
      const { kind } = await commitEdits({ store: this.#store, mirror: this.#mirror }, plan, { id, fingerprint, answer });
      if (kind === "changing") this.#open = [...this.#open, wish];
    } catch (cause) {
      const isRefused = cause instanceof StatusError && finalReasons.includes(cause.reason ?? "");
      if (!isRefused) this.#open = [...this.#open, wish];
    }
  }

  /** An `Apply` of an application, planned as the API does. */
  #apply(): Wish {
    const { random, clock, witness, sabotage } = this.#world;
    const requestId = `request-${this.#wishes++}`;
    const application = random.pick(applicationNames);
    const prune = random.chance(0.5);
    const applied = names.filter(() => random.chance(0.4));
    const specs = applied.map((name): DeploymentSpec => ({ ...this.#spec(), name, application }));
    if (specs.length > 0 || prune) witness.applies.set(requestId, { application, names: applied, prune });
    const wanted = wantedByApply(specs, { application, prune, redeploy: false, expectedGenerations: {} });
    const parts = { mirror: this.#mirror, clock: { nowMs: () => clock.wallMs() }, random };
    const plan = planOf(parts, sabotage.wanted?.(wanted) ?? wanted, { dryRun: false, author: "somebody" });
    return { requestId, fingerprint: `apply ${application}`, plan };
  }

  #deploy(): Change {
    const spec = this.#spec();
    return (before) => (before === undefined ? firstRecord(spec, `uid-${spec.version}`, this.#nowMs) : before);
  }

  #rollout(): Change {
    const { program, runtimeEnv, version, resources, numReplicas, userConfig } = this.#spec();
    const recolours = this.#world.random.chance(0.3);
    const scales = this.#world.random.chance(0.2);
    const resizes = this.#world.random.chance(0.2);
    return this.#update(({ spec }) => ({
      ...spec,
      ...(recolours && userConfig !== undefined ? { userConfig } : {}),
      program,
      runtimeEnv,
      version,
      numReplicas: scales ? numReplicas : spec.numReplicas,
      resources: resizes ? resources : spec.resources,
    }));
  }

  #scale(): Change {
    const { numReplicas, autoscalingConfig } = this.#spec();
    return this.#update(({ spec: { autoscalingConfig: _, ...fixed } }) => ({
      ...fixed,
      numReplicas,
      ...(autoscalingConfig && { autoscalingConfig }),
    }));
  }

  #tune(): Change {
    const { gracefulShutdownTimeoutMs, startupTimeoutMs, rollout } = this.#spec();
    return this.#update(({ spec }) => ({ ...spec, gracefulShutdownTimeoutMs, startupTimeoutMs, rollout }));
  }

  /** Another config for the replicas that run. */
  #reconfigure(): Change {
    const id = `change-${this.#wishes}`;
    return this.#unlessGoing((before) => changing(before, id));
  }

  #begun(after: DeploymentRecord): ConfigChangeRecord {
    const { random } = this.#world;
    const { uid, changing: id = "", newestConfigGeneration: generation } = after;
    const { name } = after.spec;
    const spec = { ...after.spec, userConfig: { colour: id }, maxOngoingRequests: random.pick([5, 5, 9]) };
    return {
      ...{ uid, deployment: name, id, generation, spec },
      dryRun: random.chance(0.2),
      author: "somebody",
      step: "PREPARE",
      replicas: [],
    };
  }

  #pause(): Change {
    return this.#unlessGoing((before) => paused(before, this.#nowMs));
  }

  #resume(): Change {
    return this.#unlessGoing((before) => resumed(before, this.#nowMs));
  }

  #rollback(): Change {
    return this.#unlessGoing((before) => {
      const lineage = this.#mirror.lineage(before);
      const kept = new Map(lineage.revisions().map(({ value }) => [value.revision, value]));
      const to = kept.get(revisionBefore(before, lineage.progress()?.value.healthyRevisions ?? [], kept) ?? 0);
      return to === undefined ? before : rolledBack(before, to, this.#nowMs);
    });
  }

  /**
   * A change of a deployment that is there, not being deleted, and not being given another config.
   */
  #unlessGoing(change: (before: DeploymentRecord) => DeploymentRecord): Change {
    return (before) =>
      before === undefined || before.deletingSinceMs !== undefined || before.changing !== undefined ? before : change(before);
  }

  #remove(): Change {
    return (before) =>
      before === undefined || before.deletingSinceMs !== undefined
        ? before
        : { ...before, generation: before.generation + 1, updatedAtMs: this.#nowMs, deletingSinceMs: this.#nowMs };
  }

  #update(change: (record: DeploymentRecord) => DeploymentSpec): Change {
    return this.#unlessGoing((before) => nextRecord(before, change(before), this.#nowMs));
  }

  #spec(): DeploymentSpec {
    const { random } = this.#world;
    const program: ProgramKind = random.chance(0.85) ? "good" : random.pick(programs);
    return {
      ...plainSpec,
      version: `v${this.#wishes}`,
      program: { kind: "command", argv: [program] },
      runtimeEnv: { ...plainSpec.runtimeEnv, bundle: digestOf(createHash("sha256").update(`files of ${this.#wishes}`).digest("hex")) },
      numReplicas: random.pick([0, 1, 1, 2, 2, 3, 4, 5, 5, 10]),
      resources: random.pick(sizes),
      gracefulShutdownTimeoutMs: random.pick([300, 2_000, 6_000]),
      startupTimeoutMs: random.pick([3_000, 4_000]),
      rollout: this.#policy(),
      ...(random.chance(0.3) ? { autoscalingConfig: this.#autoscaling() } : {}),
      ...(random.chance(0.7) ? { userConfig: { colour: `of ${this.#wishes}` } } : {}),
    };
  }

  #autoscaling(): AutoscalingConfig {
    const { random } = this.#world;
    const minReplicas = random.pick([0, 0, 1, 2]);
    return {
      minReplicas,
      maxReplicas: random.pick([2, 5, 8]),
      targetOngoingRequests: random.pick([1, 2]),
      upscaleDelayMs: random.pick([0, 2_000]),
      downscaleDelayMs: random.pick([0, 5_000, 15_000]),
      downscaleToZeroDelayMs: random.pick([2_000, 10_000]),
      upscalingFactor: random.pick([1, 1, 0.5]),
      downscalingFactor: random.pick([1, 1, 0.5]),
      lookBackPeriodMs: random.pick([2_000, 6_000]),
      metricsIntervalMs: 1_000,
      aggregation: random.pick(["MEAN", "MEAN", "MAX", "MIN"]),
      ...(random.chance(0.4) && { bufferReplicas: random.pick([1, 2]) }),
      burst: { windowMs: 2_000, threshold: 2, disabled: random.chance(0.3) },
      schedules: random.chance(0.3) && this.#world.schedules ? [{ ...earlyMinute, minReplicas: random.pick([1, 2]) }] : [],
    };
  }

  #policy(): RolloutPolicy {
    const { random } = this.#world;
    const maxSurgePercent = random.pick([20, 20, 0, 50, 100]);
    return {
      maxUnavailablePercent: random.pick(maxSurgePercent === 0 ? [20, 50] : [20, 20, 0, 50]),
      maxSurgePercent,
      strategy: maxSurgePercent > 0 && random.chance(0.3) ? "AVAILABILITY" : "AUTO",
      minReadyTimeMs: random.pick([0, 0, 300, 2_000]),
      progressDeadlineMs: random.pick([0, 10_000, 30_000]),
      maxStartFailures: random.pick([2, 3, 5]),
      autoRollback: random.chance(0.7),
    };
  }

  /** As a controller that began just now writes it. */
  get #nowMs(): number {
    return this.#world.clock.wallMs();
  }
}

function renamed(record: DeploymentRecord | undefined, name: string): DeploymentRecord | undefined {
  return record === undefined || record.spec.name === name ? record : { ...record, spec: { ...record.spec, name } };
}
