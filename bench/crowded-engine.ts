import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import type { Preparation } from "../src/core/ending.ts";
import type { LogLine } from "../src/core/log-line.ts";
import type { Capacity } from "../src/core/resources.ts";
import type { Assignment, Engine, EngineReplica } from "../src/engine/engine.ts";

/** Told by a process of replicas: all it has serve by this config, as JSON, since then. */
export interface Served {
  readonly config: string;
  readonly atMs: number;
}

/** The machine's own time, the same in all its processes. */
export const systemMs = (): number => Number(process.hrtime.bigint()) / 1e6;

/** Where many real replicas run in a few processes: what a process each costs is not what is measured. None of them ends before all. */
export class CrowdedEngine implements Engine {
  readonly #folder: string;
  readonly #processes: readonly ChildProcess[];
  readonly #replicas: EngineReplica[] = [];
  readonly #served = new Map<string, number[]>();

  constructor(folder: string, processes: number) {
    this.#folder = folder;
    this.#processes = Array.from({ length: processes }, () => fork(join(import.meta.dirname, "crowd.ts"), { serialization: "advanced" }));
    for (const child of this.#processes) {
      child.on("message", ({ config, atMs }: Served) => this.#served.set(config, [...(this.#served.get(config) ?? []), atMs]));
    }
  }

  /** When the last process had all its replicas serve by a config; undefined: not all do. */
  servedAtMs(config: unknown): number | undefined {
    const times = this.#served.get(JSON.stringify(config)) ?? [];
    return times.length < Math.min(this.#processes.length, this.#replicas.length) ? undefined : Math.max(...times);
  }

  capacity(): Capacity {
    return { cpuMilli: 1_000_000, gpuCount: 0, memoryBytes: 2 ** 50 };
  }

  addressFor(replicaId: string): string {
    return `unix:${join(this.#folder, replicaId)}`;
  }

  prepare(): Preparation {
    return { kind: "ready" };
  }

  async start(assignment: Assignment): Promise<void> {
    const process = this.#processes[this.#replicas.length % this.#processes.length];
    process?.send(assignment);
    const { argv, workingDir, envVars, requirements, initArgs, maxOngoingRequests, ...known } = assignment;
    this.#replicas.push({ ...known, pid: process?.pid ?? 0, startedAtMs: 0, state: "alive" });
  }

  async list(): Promise<readonly EngineReplica[]> {
    return this.#replicas;
  }

  async stop(replicaId: string): Promise<void> {
    throw new Error(`${replicaId} was to be stopped`);
  }

  async forget(): Promise<void> {}

  async lastErrors(): Promise<readonly string[]> {
    return [];
  }

  async *logs(): AsyncIterable<LogLine> {}

  onExit(): void {}

  async close(): Promise<void> {
    const ended = this.#processes.map((child) => new Promise((done) => child.once("exit", done)));
    for (const child of this.#processes) child.kill();
    await Promise.all(ended);
  }
}
