import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import type { Preparation } from "../src/core/ending.ts";
import type { LogLine } from "../src/core/log-line.ts";
import type { Room } from "../src/core/placement/room.ts";
import type { Assignment, Engine, EngineReplica, Listing } from "../src/engine/engine.ts";

/** A message to a process of replicas. */
export type Order =
  | { readonly kind: "start"; readonly assignment: Assignment; readonly address: string }
  | { readonly kind: "stop"; readonly replicaId: string };

/** A message from a process of replicas. */
export type News =
  /** All its replicas serve with this config, as JSON, since `atMs`. */
  { readonly kind: "served"; readonly config: string; readonly atMs: number } | { readonly kind: "ended"; readonly replicaId: string };

/** The machine's monotonic time, the same in all its processes. */
export const systemMs = (): number => Number(process.hrtime.bigint()) / 1e6;

/** The only program that this engine runs: an empty one. */
export const crowdProgram = "crowd";
const node = "crowd";
const capacity = { cpuMilli: 1_000_000, gpuCount: 0, memoryBytes: 2 ** 50 };

/**
 * Runs many real replicas in a few processes, because the cost of processes is not measured here.
 */
export class CrowdedEngine implements Engine {
  readonly runsImages = false;
  readonly #folder: string;
  readonly #processes: readonly ChildProcess[];
  readonly #replicas = new Map<string, { replica: EngineReplica; readonly process: ChildProcess }>();
  readonly #listeners = new Set<(replicaId: string) => void>();
  readonly #served = new Map<string, number[]>();

  constructor(folder: string, processes: number) {
    this.#folder = folder;
    this.#processes = Array.from({ length: processes }, () => fork(join(import.meta.dirname, "crowd.ts"), { serialization: "advanced" }));
    for (const child of this.#processes) child.on("message", (news: News) => this.#hear(news));
  }

  /** When the last process had all its replicas serve with a config; undefined: not all do. */
  servedAtMs(config: unknown): number | undefined {
    const times = this.#served.get(JSON.stringify(config)) ?? [];
    return times.length < Math.min(this.#processes.length, this.#replicas.size) ? undefined : Math.max(...times);
  }

  room(): Room {
    return { kind: "ledger", node, capacity };
  }

  prepare(): Preparation {
    return { kind: "ready" };
  }

  async start(assignment: Assignment): Promise<void> {
    const { program, runtimeEnv, initArgs, maxOngoingRequests, ...known } = assignment;
    const { replicaId } = known;
    if (program.kind !== "command" || program.argv[0] !== crowdProgram) throw new Error(`only the program ${crowdProgram} runs here`);
    if (this.#replicas.has(replicaId)) throw new Error(`replica ${replicaId} was already started`);
    const process = this.#processes[this.#replicas.size % this.#processes.length];
    if (process === undefined) throw new Error("there is no process for replicas");
    const address = `unix:${join(this.#folder, replicaId)}`;
    const placed = { node, address, handle: `pid ${process.pid}` };
    const replica: EngineReplica = { ...known, ...placed, startedAtMs: Date.now(), state: "alive" };
    this.#replicas.set(replicaId, { replica, process });
    order(process, { kind: "start", assignment, address });
  }

  async list(): Promise<Listing> {
    return { replicas: [...this.#replicas.values()].map(({ replica }) => replica), complete: new Set([node]) };
  }

  /** Ends only this replica, also on "kill", because others run in the same process. */
  async stop(replicaId: string, how: "terminate" | "kill"): Promise<void> {
    const known = this.#replicas.get(replicaId);
    if (known?.replica.state !== "alive") return;
    if (how === "terminate" && known.replica.terminatedAtMs === undefined) known.replica = { ...known.replica, terminatedAtMs: Date.now() };
    order(known.process, { kind: "stop", replicaId });
  }

  async forget(replicaId: string): Promise<void> {
    if (this.#replicas.get(replicaId)?.replica.state === "alive") throw new Error(`replica ${replicaId} is still alive`);
    this.#replicas.delete(replicaId);
  }

  async lastErrors(): Promise<readonly string[]> {
    return [];
  }

  async *logs(): AsyncIterable<LogLine> {}

  onExit(listener: (replicaId: string) => void): void {
    this.#listeners.add(listener);
  }

  async close(): Promise<void> {
    this.#listeners.clear();
  }

  /** Ends the processes with all replicas. */
  async end(): Promise<void> {
    const ended = this.#processes.map((child) => new Promise((done) => child.once("exit", done)));
    for (const child of this.#processes) child.kill();
    await Promise.all(ended);
  }

  #hear(news: News): void {
    if (news.kind === "served") {
      this.#served.set(news.config, [...(this.#served.get(news.config) ?? []), news.atMs]);
      return;
    }
    const known = this.#replicas.get(news.replicaId);
    if (known === undefined) return;
    known.replica = { ...known.replica, state: "exited", ending: { kind: "exit", code: 0 } };
    for (const listener of this.#listeners) listener(news.replicaId);
  }
}

function order(process: ChildProcess, what: Order): void {
  process.send(what);
}
