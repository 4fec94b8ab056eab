import type { Clock } from "../../src/clock/clock.ts";
import type { Capacity } from "../../src/core/resources.ts";
import type { Assignment, Engine, EngineReplica, LogLine } from "../../src/engine/engine.ts";

export interface SimulatedEngineOptions {
  readonly clock: Clock;
  readonly capacity: Capacity;
  /** From a process's start until it serves, milliseconds; default 100. */
  readonly servesAfterMs?: number;
  /** From SIGTERM until it ends, milliseconds; default 10. */
  readonly endsAfterMs?: number;
}

/** A process that is only said to be there. */
interface SimulatedProcess {
  replica: EngineReplica;
  readonly servesAtMs: number;
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

  /** The process ends by itself: `exit` in the words of `EngineReplica.exit`, `errors` its last lines. */
  end(replicaId: string, exit: string, errors: readonly string[] = []): void {
    const process = this.#processes.get(replicaId);
    if (process?.replica.state !== "alive") return;
    process.cancelEnd();
    process.errors = errors;
    process.replica = { ...process.replica, state: "exited", exit };
    for (const listener of [...this.#listeners]) listener(replicaId);
  }

  /** Whether there is a process that would answer at the replica's address. */
  serves(replicaId: string): boolean {
    const process = this.#processes.get(replicaId);
    return process?.replica.state === "alive" && this.#options.clock.nowMs() >= process.servesAtMs;
  }

  capacity(): Capacity {
    return this.#options.capacity;
  }

  addressFor(replicaId: string): string {
    return `unix:/simulated/${replicaId}.sock`;
  }

  async start(assignment: Assignment): Promise<void> {
    const { replicaId, deployment, uid, revision, address, token, resources, gpuIndexes } = assignment;
    if (this.#startFault !== "") throw new Error(this.#startFault);
    if (this.#processes.has(replicaId)) throw new Error(`replica ${replicaId} was started before`);
    const startedAtMs = this.#options.clock.nowMs();
    const known = { replicaId, deployment, uid, revision, address, token, resources, gpuIndexes };
    this.#processes.set(replicaId, {
      replica: { ...known, pid: this.#nextPid++, startedAtMs, state: "alive", exit: "", terminatedAtMs: 0 },
      servesAtMs: startedAtMs + (this.#options.servesAfterMs ?? 100),
      errors: [],
      cancelEnd: () => {},
    });
  }

  async list(): Promise<readonly EngineReplica[]> {
    return [...this.#processes.values()].map(({ replica }) => replica);
  }

  async stop(replicaId: string, how: "terminate" | "kill"): Promise<void> {
    const process = this.#processes.get(replicaId);
    if (process?.replica.state !== "alive") return;
    if (how === "kill") return this.end(replicaId, "signal SIGKILL");
    if (process.replica.terminatedAtMs !== 0) return;
    const { clock, endsAfterMs = 10 } = this.#options;
    process.replica = { ...process.replica, terminatedAtMs: clock.nowMs() };
    process.cancelEnd = clock.after(endsAfterMs, () => this.end(replicaId, "signal SIGTERM"));
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
