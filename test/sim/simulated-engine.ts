import type { Clock } from "../../src/clock/clock.ts";
import type { Ending, Preparation } from "../../src/core/ending.ts";
import type { LogLine } from "../../src/core/log-line.ts";
import type { Capacity } from "../../src/core/resources.ts";
import type { Assignment, Engine, EngineReplica } from "../../src/engine/engine.ts";

/** What becomes of a process that is started; times in milliseconds, infinite where it never happens. */
export interface Fate {
  /** Why it cannot be started at all; empty: it can. */
  readonly launchError: string;
  /** How long its packages are installed before it starts; its other times count from then. */
  readonly preparesForMs: number;
  readonly servesAfterMs: number;
  /** From its start until it ends by itself, with `errors` as its last lines. */
  readonly failsAfterMs: number;
  readonly errors: readonly string[];
  /** From SIGTERM until it ends. */
  readonly endsAfterMs: number;
}

const well: Fate = {
  launchError: "",
  preparesForMs: 0,
  servesAfterMs: 100,
  failsAfterMs: Number.POSITIVE_INFINITY,
  errors: [],
  endsAfterMs: 10,
};

export interface SimulatedEngineOptions {
  readonly clock: Clock;
  readonly capacity: Capacity;
  /** What differs from a process that serves 100 ms after its start and ends 10 ms after SIGTERM. */
  readonly fate?: (assignment: Assignment) => Partial<Fate>;
}

/** A process that is only said to be there. */
interface SimulatedProcess {
  replica: EngineReplica;
  servesAtMs: number;
  readonly fate: Fate;
  errors: readonly string[];
  cancelEnd: () => void;
}

const firstPid = 1_000;

/** Where replicas only seem to run: in memory, by the given clock alone, the same each time. What goes wrong, the simulation says. */
export class SimulatedEngine implements Engine {
  readonly #options: SimulatedEngineOptions;
  readonly #processes = new Map<string, SimulatedProcess>();
  readonly #listeners = new Set<(replicaId: string) => void>();
  #nextPid = firstPid;
  #startFault = "";

  constructor(options: SimulatedEngineOptions) {
    this.#options = options;
  }

  /** From now on no process can be started, for this reason; empty: they can again. */
  failStarts(reason: string): void {
    this.#startFault = reason;
  }

  /** The process ends by itself, with `errors` as its last lines. */
  end(replicaId: string, ending: Ending, errors: readonly string[] = []): void {
    const process = this.#processes.get(replicaId);
    if (process?.replica.state !== "alive") return;
    process.cancelEnd();
    process.errors = errors;
    process.replica = { ...process.replica, state: "exited", preparing: undefined, ending };
    for (const listener of [...this.#listeners]) listener(replicaId);
  }

  /** Whether there is a process that would answer at the replica's address. */
  serves(replicaId: string): boolean {
    const process = this.#processes.get(replicaId);
    return process?.replica.state === "alive" && this.#options.clock.nowMs() >= process.servesAtMs;
  }

  /** The replica as it is; undefined: never started, or forgotten. */
  find(replicaId: string): EngineReplica | undefined {
    return this.#processes.get(replicaId)?.replica;
  }

  /** Every process that lives. */
  alive(): readonly EngineReplica[] {
    return [...this.#processes.values()].flatMap(({ replica }) => (replica.state === "alive" ? replica : []));
  }

  capacity(): Capacity {
    return this.#options.capacity;
  }

  addressFor(replicaId: string): string {
    return `unix:/simulated/${replicaId}.sock`;
  }

  prepare(): Preparation {
    return { kind: "ready" };
  }

  async start(assignment: Assignment): Promise<void> {
    const { replicaId, deployment, uid, revision, address, token, resources, gpuIndexes } = assignment;
    if (this.#startFault !== "") throw new Error(this.#startFault);
    if (this.#processes.has(replicaId)) throw new Error(`replica ${replicaId} was started before`);
    const fate = { ...well, ...this.#options.fate?.(assignment) };
    if (fate.launchError !== "") throw new Error(fate.launchError);
    const { clock } = this.#options;
    const startedAtMs = clock.nowMs();
    const known = { replicaId, deployment, uid, revision, address, token, resources, gpuIndexes };
    const process: SimulatedProcess = {
      replica: { ...known, pid: 0, startedAtMs, state: "alive", preparing: { packages: 1 } },
      servesAtMs: Number.POSITIVE_INFINITY,
      fate,
      errors: [],
      cancelEnd: () => {},
    };
    const launch = () => {
      process.replica = { ...process.replica, pid: this.#nextPid++, preparing: undefined };
      process.servesAtMs = clock.nowMs() + fate.servesAfterMs;
      process.cancelEnd = this.#later(fate.failsAfterMs, () => this.end(replicaId, { kind: "exit", code: 1 }, fate.errors));
    };
    this.#processes.set(replicaId, process);
    if (fate.preparesForMs === 0) launch();
    else process.cancelEnd = this.#later(fate.preparesForMs, launch);
  }

  /** Who installed packages has ended: what waits for them is never started. */
  abandon(): void {
    for (const { replica } of [...this.#processes.values()])
      if (replica.preparing !== undefined) this.end(replica.replicaId, { kind: "neverStarted" });
  }

  async list(): Promise<readonly EngineReplica[]> {
    return [...this.#processes.values()].map(({ replica }) => replica);
  }

  async stop(replicaId: string, how: "terminate" | "kill"): Promise<void> {
    const process = this.#processes.get(replicaId);
    if (process?.replica.state !== "alive") return;
    if (process.replica.preparing !== undefined) return this.end(replicaId, { kind: "stoppedBeforeStart" });
    if (how === "kill") return this.end(replicaId, { kind: "signal", signal: "SIGKILL" });
    if (process.replica.terminatedAtMs !== undefined) return;
    process.replica = { ...process.replica, terminatedAtMs: this.#options.clock.nowMs() };
    process.cancelEnd();
    process.cancelEnd = this.#later(process.fate.endsAfterMs, () => this.end(replicaId, { kind: "signal", signal: "SIGTERM" }));
  }

  #later(ms: number, run: () => void): () => void {
    return Number.isFinite(ms) ? this.#options.clock.after(ms, run) : () => {};
  }

  async lastErrors(replicaId: string, lines: number): Promise<readonly string[]> {
    return lines === 0 ? [] : (this.#processes.get(replicaId)?.errors.slice(-lines) ?? []);
  }

  async *logs(replicaId: string): AsyncIterable<LogLine> {
    for (const line of this.#processes.get(replicaId)?.errors ?? []) yield { replicaId, stream: "stderr", line };
  }

  async forget(replicaId: string): Promise<void> {
    if (this.#processes.get(replicaId)?.replica.state === "exited") this.#processes.delete(replicaId);
  }

  onExit(listener: (replicaId: string) => void): void {
    this.#listeners.add(listener);
  }

  /** As a controller that dies: nobody listens any more, the processes stay for the next one. */
  async close(): Promise<void> {
    this.#listeners.clear();
  }
}
