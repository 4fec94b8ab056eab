import { expect } from "vitest";
import type { Verdict } from "../../../src/core/decision.ts";
import type { DeploymentRecord, DeploymentSpec, ProgressRecord, RevisionRecord } from "../../../src/core/deployment.ts";
import type { Ending, HealthProblem } from "../../../src/core/ending.ts";
import { rolledBack } from "../../../src/core/generations.ts";
import { place } from "../../../src/core/placement/placement.ts";
import { advance, holds, type ReplicaRecord } from "../../../src/core/replica.ts";
import { plan } from "../../../src/core/rollout/plan.ts";
import type { Action, PlanInput, SeenReplica } from "../../../src/core/rollout/sight.ts";
import { statusOf } from "../../../src/core/rollout/status.ts";
import { wantsPackagesFirst } from "../../../src/core/rollout/step.ts";
import { availableMin, defaultRollout, replicasMax } from "../../../src/core/rollout-policy.ts";
import { spec } from "../../kit/records.ts";

/** A process that ended by itself, with this code. */
export const crashed = (code: number) => ({ process: "exited", ending: { kind: "exit", code } }) as const;

/** A replica in the world of a test, with what may be seen of it. */
export interface Body {
  record: ReplicaRecord;
  process: SeenReplica["process"];
  ending?: Ending;
  terminatedAtMs?: number;
  answer: SeenReplica["answer"];
  ongoing: number;
  contactSinceMs?: number;
  problem?: HealthProblem;
}

/**
 * A world with one deployment, in which plans are applied at once and processes do what the test
 * says.
 */
export class World {
  nowMs = 1_000_000;
  deployment: DeploymentRecord;
  progress: ProgressRecord | undefined;
  readonly bodies = new Map<string, Body>();
  erased = false;
  /** What was decided, the oldest first. */
  readonly decisions: Verdict[] = [];
  readonly revisions = new Map<number, RevisionRecord>();
  /** Since when a controller has been acting. */
  actingSinceMs = 0;
  /** How far the packages of the wanted revision are. */
  packages: PlanInput["packages"];
  /** How many replicas may hold resources at a time. */
  slots = Number.POSITIVE_INFINITY;
  #ids = 0;

  constructor(numReplicas: number, rollout: Partial<DeploymentSpec["rollout"]> = {}) {
    this.deployment = {
      uid: "u",
      spec: { ...spec, numReplicas, rollout: { ...defaultRollout, ...rollout } },
      generation: 1,
      revision: 1,
      newestRevision: 1,
      configGeneration: 1,
      newestConfigGeneration: 1,
      createdAtMs: 0,
      updatedAtMs: 0,
    };
    this.#keepRevision();
  }

  /** The slots as CPUs, one a replica. */
  get room() {
    const held = this.records.filter(({ state }) => holds(state));
    return { capacity: { cpuMilli: Math.min(this.slots, 1_000_000) * 1_000, gpuCount: 0, memoryBytes: 0 }, held };
  }

  get records(): readonly ReplicaRecord[] {
    return [...this.bodies.values()].map(({ record }) => record);
  }

  count(...states: readonly string[]): number {
    return this.records.filter(({ state }) => states.includes(state)).length;
  }

  seen(): readonly SeenReplica[] {
    return [...this.bodies.values()].map(({ record, process, ending, terminatedAtMs, answer, ongoing, contactSinceMs = 0, problem }) => ({
      replica: record,
      process,
      ending,
      errors: [],
      contactSinceMs,
      terminatedAtMs,
      answer,
      problem,
      ...(answer === "unhealthy" && { failure: { kind: "unhealthy", failedChecks: 3, problem: { kind: "notServing" } } }),
      configured: true,
      ongoing,
      routable: answer === "ready",
      drained: ongoing === 0,
    }));
  }

  /** What a plan is made from now. */
  get input(): PlanInput {
    return {
      deployment: this.deployment,
      progress: this.progress,
      seen: this.seen(),
      packages:
        wantsPackagesFirst(this.deployment, this.records) && this.nowMs >= (this.progress?.retryAtMs ?? 0) ? this.packages : undefined,
      findRevision: (revision) => this.revisions.get(revision),
      lastDecision: () => {
        const last = this.decisions.at(-1);
        return last && { ...last, uid: "u", deployment: "app", number: this.decisions.length, atMs: 0 };
      },
      pending: () => this.records.filter(({ state }) => state === "PENDING"),
      nowMs: this.nowMs,
      actingSinceMs: this.actingSinceMs,
      draw: 0.5,
      room: { kind: "ledger", node: "here", capacity: this.room.capacity },
      held: this.room.held,
    };
  }

  /** Plans once and applies the plan; returns it. */
  step(): readonly Action[] {
    const actions = plan(this.input);
    for (const action of actions) this.#apply(action);
    this.#place();
    return actions;
  }

  /** Lets every process do what is asked of it at once, until nothing changes any more. */
  settle(steps = 200): void {
    for (let step = 0; step < steps; step++) {
      const actions = this.step();
      for (const body of this.bodies.values()) this.obey(body);
      if (actions.length === 0) this.nowMs += 1_000;
    }
  }

  /** Starts well, and ends on request. */
  obey(body: Body): void {
    if (body.record.state === "STARTING" && body.process === "alive") body.answer = "ready";
    if (body.terminatedAtMs !== undefined) body.process = "exited";
  }

  update(change: Partial<DeploymentSpec>, revision = false): void {
    const { rolledBackAtMs, failedRollout, ...deployment } = this.deployment;
    const newestRevision = deployment.newestRevision + (revision ? 1 : 0);
    this.deployment = {
      ...deployment,
      ...(revision ? {} : { ...(rolledBackAtMs && { rolledBackAtMs }), ...(failedRollout && { failedRollout }) }),
      spec: { ...deployment.spec, ...change },
      generation: deployment.generation + 1,
      revision: revision ? newestRevision : deployment.revision,
      newestRevision,
      updatedAtMs: this.nowMs,
    };
    this.#keepRevision();
  }

  /** A person goes back to an old revision. */
  rollback(revision: number): void {
    const to = this.revisions.get(revision);
    if (to === undefined) throw new Error(`no revision ${revision}`);
    this.deployment = rolledBack(this.deployment, to, this.nowMs);
  }

  /** Every replica that is starting ends, by default with an exit code. */
  failStarting(revision?: number, ending: Ending = crashed(1).ending): void {
    for (const body of this.bodies.values()) {
      if (body.record.state === "STARTING" && (revision === undefined || body.record.revision === revision))
        Object.assign(body, { process: "exited", ending });
    }
  }

  #keepRevision(): void {
    const { revision, spec } = this.deployment;
    if (!this.revisions.has(revision))
      this.revisions.set(revision, { uid: "u", deployment: "app", revision, spec, configGeneration: 1, createdAtMs: this.nowMs });
  }

  #apply(action: Action): void {
    if (action.kind === "create") {
      const id = `app-${this.#ids++}`;
      const record: ReplicaRecord = {
        id,
        deployment: "app",
        uid: "u",
        revision: action.revision,
        state: "PENDING",
        resources: this.revisions.get(action.revision)?.spec.resources ?? this.deployment.spec.resources,
        gpuIndexes: [],
        token: "",
        createdAtMs: this.nowMs,
        sinceMs: this.nowMs,
      };
      this.bodies.set(id, { record, process: "none", answer: "unknown", ongoing: 0 });
    } else if (action.kind === "move") this.#body(action.replica.id).record = action.replica;
    else if (action.kind === "terminate") this.#body(action.replicaId).terminatedAtMs = this.nowMs;
    else if (action.kind === "kill") this.#body(action.replicaId).process = "exited";
    else if (action.kind === "forget") this.bodies.delete(action.replicaId);
    else if (action.kind === "progress") this.progress = action.progress;
    else if (action.kind === "rollback") this.deployment = action.deployment;
    else if (action.kind === "decide") this.decisions.push(action.verdict);
    else this.erased = true;
  }

  #place(): void {
    for (const body of this.bodies.values()) {
      if (body.record.state !== "PENDING") continue;
      const { capacity, held } = this.room;
      const { placed, waiting } = place({ pending: [body.record], held, capacity, time: this });
      if (placed.length > 0) {
        body.record = advance(body.record, "STARTING", this.nowMs);
        body.process = "alive";
      } else if (waiting[0] !== undefined) body.record = { ...body.record, waits: waiting[0].wait };
    }
  }

  #body(id: string): Body {
    const body = this.bodies.get(id);
    if (body === undefined) throw new Error(`no replica ${id}`);
    return body;
  }
}

/** A rollout with events in the order of the draws: the bounds hold at every step, and it ends. */
export function rollsOutWithinBounds(world: World, n: number, draws: readonly number[]): void {
  const { rollout } = world.deployment.spec;
  for (const draw of draws) {
    world.step();
    expect(world.count("RUNNING")).toBeGreaterThanOrEqual(availableMin(n, rollout));
    expect(world.count("PENDING", "STARTING", "RUNNING")).toBeLessThanOrEqual(replicasMax(n, rollout));
    const all = [...world.bodies.values()];
    const body = all[draw % all.length];
    if (body !== undefined) world.obey(body);
    world.nowMs += 10;
  }
  world.settle(100);
  const status = statusOf(world.deployment, world.progress, world.records);
  expect(status).toMatchObject({ state: "HEALTHY", running: n, updated: n });
}
