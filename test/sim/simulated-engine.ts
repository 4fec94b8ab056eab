import type { Clock } from "../../src/clock/clock.ts";
import type { Ending, Preparation } from "../../src/core/ending.ts";
import type { LogLine } from "../../src/core/log-line.ts";
import type { Coverage, Room } from "../../src/core/placement/room.ts";
import type { Capacity } from "../../src/core/resources.ts";
import type { Assignment, Engine, EngineReplica, Listing } from "../../src/engine/engine.ts";

/**
 * What becomes of a process that is started; times in milliseconds, infinite where it never
 * happens.
 */
export interface Fate {
  /** Why it cannot be started at all; empty: it can. */
  readonly launchError: string;
  /** How long its packages are installed before it starts; its other times count from then. */
  readonly preparesForMs: number;
  /** How long the engine does not know its address; infinite: it never does. */
  readonly addressAfterMs: number;
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
  addressAfterMs: 0,
  servesAfterMs: 100,
  failsAfterMs: Number.POSITIVE_INFINITY,
  errors: [],
  endsAfterMs: 10,
};

export interface SimulatedEngineOptions {
  readonly clock: Clock;
  readonly capacity: Capacity;
  /**
   * What differs from a process that serves 100 ms after its start and ends 10 ms after SIGTERM.
   */
  readonly fate?: (assignment: Assignment) => Partial<Fate>;
  /**
   * How many replicas each of its nodes takes, where it places them itself; unset: core does, and
   * there is one node.
   */
  readonly slots?: ReadonlyMap<string, number>;
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
/** Its node where core places. */
const onlyNode = "simulated";

/**
 * Where replicas only seem to run: in memory, by the given clock alone, the same each time. What
 * goes wrong, the simulation says.
 */
export class SimulatedEngine implements Engine {
  readonly runsImages = false;
  readonly #options: SimulatedEngineOptions;
  readonly #processes = new Map<string, SimulatedProcess>();
  readonly #listeners = new Set<(replicaId: string) => void>();
  #nextPid = firstPid;
  #startFault = "";
  /** Nodes that it does not see. */
  readonly #hidden = new Set<string>();

  constructor(options: SimulatedEngineOptions) {
    this.#options = options;
  }

  /** From now on no process can be started, for this reason; empty: they can again. */
  failStarts(reason: string): void {
    this.#startFault = reason;
  }

  /** From now on it does not see this node, though what runs there goes on; or it sees it again. */
  hide(node: string): void {
    this.#hidden.add(node);
  }

  show(node: string): void {
    this.#hidden.delete(node);
  }

  /** The process ends by itself, with `errors` as its last lines. */
  end(replicaId: string, ending: Ending, errors: readonly string[] = []): void {
    const process = this.#processes.get(replicaId);
    if (process === undefined || process.replica.state === "exited") return;
    process.cancelEnd();
    process.errors = errors;
    process.replica = { ...process.replica, state: "exited", unplaced: undefined, preparing: undefined, ending };
    this.#tell(replicaId);
    this.#placeWaiting();
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

  room(): Room {
    const { capacity, slots } = this.#options;
    return slots === undefined ? { kind: "ledger", node: onlyNode, capacity } : { kind: "engine" };
  }

  /** What there is, whoever places. */
  get capacity(): Capacity {
    return this.#options.capacity;
  }

  prepare(): Preparation {
    return { kind: "ready" };
  }

  /** `atMs`: the time by the clock of the controller that starts it. */
  async start(assignment: Assignment, atMs = this.#options.clock.nowMs()): Promise<void> {
    const { replicaId, deployment, uid, revision, token, resources, gpuIndexes } = assignment;
    if (this.#startFault !== "") throw new Error(this.#startFault);
    if (this.#processes.has(replicaId)) throw new Error(`replica ${replicaId} was started before`);
    const fate = { ...well, ...this.#options.fate?.(assignment) };
    if (fate.launchError !== "") throw new Error(fate.launchError);
    const known = { replicaId, deployment, uid, revision, token, resources, gpuIndexes, startedAtMs: atMs };
    this.#processes.set(replicaId, {
      replica: { ...known, state: "waiting" },
      servesAtMs: Number.POSITIVE_INFINITY,
      fate,
      errors: [],
      cancelEnd: () => {},
    });
    this.#placeWaiting();
  }

  /** Gives nodes to those that wait, in the order they came. */
  #placeWaiting(): void {
    const { slots } = this.#options;
    for (const process of this.#processes.values()) {
      if (process.replica.state !== "waiting") continue;
      if (slots === undefined) {
        this.#begin(process, onlyNode);
        continue;
      }
      const node = [...slots].find(([name, count]) => this.#aliveOn(name) < count)?.[0];
      if (node === undefined) process.replica = { ...process.replica, unplaced: `none of ${slots.size} nodes has room` };
      else this.#begin(process, node);
    }
  }

  #aliveOn(node: string): number {
    return this.alive().filter((replica) => replica.node === node).length;
  }

  #begin(process: SimulatedProcess, node: string): void {
    const { clock } = this.#options;
    const { replicaId } = process.replica;
    const { preparesForMs, servesAfterMs, failsAfterMs, errors } = process.fate;
    const launch = () => {
      process.replica = { ...process.replica, handle: `pid ${this.#nextPid++}`, preparing: undefined };
      process.servesAtMs = clock.nowMs() + servesAfterMs;
      process.cancelEnd = this.#later(failsAfterMs, () => this.end(replicaId, { kind: "exit", code: 1 }, errors));
    };
    const address = `unix:/simulated/${replicaId}.sock`;
    process.replica = { ...process.replica, state: "alive", unplaced: undefined, node, preparing: { packages: 1 } };
    const tellAddress = () => {
      process.replica = { ...process.replica, address };
    };
    if (process.fate.addressAfterMs === 0) tellAddress();
    else this.#later(process.fate.addressAfterMs, tellAddress);
    if (preparesForMs === 0) launch();
    else process.cancelEnd = this.#later(preparesForMs, launch);
    if (this.#options.slots !== undefined) this.#tell(replicaId);
  }

  #tell(replicaId: string): void {
    for (const listener of [...this.#listeners]) listener(replicaId);
  }

  /** Who installed packages has ended: what waits for them is never started. */
  abandon(): void {
    for (const { replica } of [...this.#processes.values()])
      if (replica.preparing !== undefined) this.end(replica.replicaId, { kind: "neverStarted" });
  }

  async list(): Promise<Listing> {
    const replicas = [...this.#processes.values()].flatMap(({ replica }) =>
      replica.node !== undefined && this.#hidden.has(replica.node) ? [] : replica,
    );
    return { replicas, complete: this.#complete };
  }

  get #complete(): Coverage {
    const { slots } = this.#options;
    if (slots !== undefined && this.#hidden.size === 0) return "all";
    return new Set([...(slots?.keys() ?? [onlyNode])].filter((node) => !this.#hidden.has(node)));
  }

  /** `atMs`: the time by the clock of the controller that stops it. */
  async stop(replicaId: string, how: "terminate" | "kill", atMs = this.#options.clock.nowMs()): Promise<void> {
    const process = this.#processes.get(replicaId);
    if (process === undefined || process.replica.state === "exited") return;
    if (process.replica.handle === undefined) return this.end(replicaId, { kind: "stoppedBeforeStart" });
    if (how === "kill") return this.end(replicaId, { kind: "signal", signal: "SIGKILL" });
    if (process.replica.terminatedAtMs !== undefined) return;
    process.replica = { ...process.replica, terminatedAtMs: atMs };
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
    const state = this.#processes.get(replicaId)?.replica.state;
    if (state !== undefined && state !== "exited") throw new Error(`replica ${replicaId} is still alive`);
    this.#processes.delete(replicaId);
  }

  onExit(listener: (replicaId: string) => void): void {
    this.#listeners.add(listener);
  }

  /**
   * As when a controller dies: no listener is left, and the processes stay for the next controller.
   */
  async close(): Promise<void> {
    this.#listeners.clear();
  }
}
