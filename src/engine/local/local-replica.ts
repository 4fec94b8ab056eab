import type { ChildProcess } from "node:child_process";
import type { Clock } from "../../clock/clock.ts";
import type { Ending, Preparing } from "../../core/ending.ts";
import type { EngineReplica } from "../engine.ts";
import type { Cgroup } from "./cgroups.ts";
import { processEnd } from "./process-end.ts";
import { groupHas, isRunning, isTaken, type ProcessIdentity } from "./process-identity.ts";
import type { ReplicaFacts, ReplicaFolder } from "./replica-folder.ts";
import { ReplicaOutput } from "./replica-output.ts";

/** Lines of standard error in which Node says why it ended. */
const heapLines = 100;

/**
 * One replica: a process of ours, or one that a former controller started.
 * Invariant: once it counts as ended, what it started is killed, too, for its resources then are another's. That is done once, when
 * the end is noticed; later its group's number may be another group's.
 */
export class LocalReplica {
  readonly output: ReplicaOutput;
  readonly #folder: ReplicaFolder;
  #facts: ReplicaFacts;
  readonly #onExit: (replicaId: string) => void;
  /** Unset: the kernel does not hold it together. */
  #cgroup: Cgroup | undefined;
  readonly #forgotten = new AbortController();
  /** Set: not our child, to be looked at. */
  #adopted: ProcessIdentity | undefined;
  #pid = 0;
  #ending: Ending | undefined;
  #terminatedAtMs: number | undefined;
  /** What is being made before its process starts. */
  #preparing: Preparing | undefined;
  readonly #unwanted = new AbortController();
  /** Why we end it, where its end is to be told so. */
  #why: Ending | undefined;
  /** What is being written down of its end. */
  #noting: Promise<void> = Promise.resolve();

  constructor(folder: ReplicaFolder, facts: ReplicaFacts, onExit: (replicaId: string) => void) {
    this.#folder = folder;
    this.#facts = facts;
    this.#onExit = onExit;
    this.output = new ReplicaOutput(folder.path);
  }

  /** Aborts when the replica is removed. */
  get forgotten(): AbortSignal {
    return this.#forgotten.signal;
  }

  /** All but the node, which is the engine's. */
  describe(): Omit<EngineReplica, "node"> {
    const { replicaId, deployment, uid, revision, address, token, resources, gpuIndexes, startedAtMs } = this.#facts;
    const seen = {
      handle: this.pid === undefined ? undefined : `pid ${this.pid}`,
      preparing: this.#alive ? this.#preparing : undefined,
      state: this.#alive ? "alive" : "exited",
      ending: this.#ending,
      terminatedAtMs: this.#terminatedAtMs,
    } as const;
    return { replicaId, deployment, uid, revision, address, token, resources, gpuIndexes, startedAtMs, ...seen };
  }

  /** Where it listens. */
  get address(): string {
    return this.#facts.address;
  }

  /** Its process, or the last it had; undefined: it never had one. */
  get pid(): number | undefined {
    return this.#pid === 0 ? undefined : this.#pid;
  }

  /** Ends when all that is known of it is written down. */
  noted(): Promise<void> {
    return this.#noting;
  }

  /** What it needs is being made, or made sure of; the signal aborts when it is not wanted any more. */
  prepare(preparing: Preparing | undefined): AbortSignal {
    this.#preparing = preparing;
    return this.#unwanted.signal;
  }

  /** Its packages are in this folder. */
  async use(environment: string): Promise<void> {
    this.#facts = { ...this.#facts, environment };
    await this.#folder.note(this.#facts);
  }

  /** It has no process and gets none, as `ending` says. */
  async fail(ending: Ending, lines: readonly string[]): Promise<void> {
    await this.output.note(lines).catch(() => {}); // a full disk, perhaps: its end is told all the same
    if (!this.#alive) return;
    this.#ended(ending);
  }

  /** Its process is this child. Ends when the process has written itself down, so that every controller from now on finds it. */
  async own(child: ChildProcess, clock: Clock): Promise<void> {
    if (!this.#alive) {
      this.#cgroup?.kill();
      return killRest(child.pid!); // it was stopped while its process was being made
    }
    this.#pid = child.pid!;
    this.#preparing = undefined;
    const ended = (code: number | null, name: NodeJS.Signals | null) => {
      killRest(this.#pid); // its pid became free this very moment: nobody else has it yet
      const end = processEnd(code, name);
      // Node ends so when its heap is full, and says it on its standard error.
      if (this.#facts.resources.memoryBytes > 0 && (name === "SIGABRT" || code === 134)) void this.#endedByHeap(end);
      else this.#ended(end);
    };
    if (child.exitCode !== null || child.signalCode !== null) ended(child.exitCode, child.signalCode);
    else child.once("exit", ended);
    await this.#folder.recorded(clock, () => !this.#alive);
  }

  /** Finds the process that a former controller started. */
  async adopt(clock: Clock, boot: string): Promise<void> {
    this.#terminatedAtMs = await this.#folder.terminatedAtMs();
    const identity = await this.#folder.identity(clock);
    this.#pid = identity?.pid ?? 0;
    this.#ending = await this.#folder.ending();
    if (this.#ending !== undefined) return;
    if (!identity) this.#ending = { kind: "neverStarted" };
    else if (boot !== this.#facts.boot) this.#ending = { kind: "unknown" };
    else if (await isRunning(identity)) this.#adopted = identity;
    else {
      const ours = !(await isTaken(identity)) && groupHas(identity.pid, `DROVER_REPLICA_ID=${this.#facts.replicaId}`);
      if (ours) killRest(identity.pid);
      this.#ending = this.#wholeEnding({ kind: "unknown" });
      this.#noting = this.#folder.noteEnding(this.#ending); // so that no later controller kills a group of that number
    }
  }

  /** Notices the end of a process that is not our child. */
  async look(): Promise<void> {
    if (!this.#adopted || !this.#alive || (await isRunning(this.#adopted))) return;
    const taken = await isTaken(this.#adopted);
    if (!this.#alive) return; // another look was faster
    if (!taken) killRest(this.#pid);
    this.#ended({ kind: "unknown" });
  }

  async terminate(nowMs: number): Promise<void> {
    await this.look();
    if (!this.#alive) return;
    if (this.#pid === 0) return this.#giveUp();
    signal(this.#pid, "SIGTERM");
    if (this.#terminatedAtMs !== undefined) return;
    this.#terminatedAtMs = nowMs;
    await this.#folder.noteTerminated(nowMs);
  }

  /** Ends it, if its process group is among those that use more memory than they may. */
  async holdMemory(over: ReadonlyMap<number, number>): Promise<void> {
    const { memoryBytes } = this.#facts.resources;
    const bytes = over.get(this.#pid);
    if (!this.#alive || this.#pid === 0 || memoryBytes === 0 || bytes === undefined) return;
    this.#why = { kind: "overMemory", usedBytes: bytes, boundBytes: memoryBytes };
    await this.kill();
  }

  /** Its process group and the memory that it may use; undefined: it has no process, may take what it wants, or the kernel looks to it. */
  get memoryBound(): readonly [group: number, bytes: number] | undefined {
    const { memoryBytes } = this.#facts.resources;
    return this.#cgroup === undefined && this.#alive && this.#pid > 0 && memoryBytes > 0 ? [this.#pid, memoryBytes] : undefined;
  }

  /** All its processes are, or will be, in this cgroup. */
  join(cgroup: Cgroup | undefined): void {
    this.#cgroup = cgroup;
  }

  /** The folder of its packages; empty: it requires none, or they are not there yet. */
  get environment(): string {
    return this.#facts.environment ?? "";
  }

  /** Ends its whole group. */
  async kill(): Promise<void> {
    await this.look();
    if (this.#alive && this.#pid === 0) this.#giveUp();
    else if (this.#alive) {
      this.#cgroup?.kill();
      signal(-this.#pid, "SIGKILL");
    }
  }

  /** Removes what is left of it. Fails while it is alive. */
  async remove(): Promise<void> {
    await this.look();
    if (this.#alive) throw new Error(`replica ${this.#facts.replicaId} is still alive`);
    this.#forgotten.abort();
    await this.#noting;
    await this.#folder.remove();
  }

  get #alive(): boolean {
    return this.#ending === undefined;
  }

  #giveUp(): void {
    this.#unwanted.abort("not wanted");
    this.#ended({ kind: "stoppedBeforeStart" });
  }

  async #endedByHeap(end: Ending): Promise<void> {
    const lines = await this.output.lastErrors(heapLines).catch(() => []);
    const full = lines.some((line) => line.includes("heap out of memory"));
    this.#ended(full ? { kind: "heapFull", boundBytes: this.#facts.resources.memoryBytes } : end);
  }

  #ended(end: Ending): void {
    this.#ending = this.#why ?? this.#wholeEnding(end);
    this.#noting = this.#folder.noteEnding(this.#ending);
    this.#onExit(this.#facts.replicaId);
  }

  /** How it ended, with what the kernel knows of it. Whatever is left of it ends, too. */
  #wholeEnding(end: Ending): Ending {
    this.#cgroup?.kill();
    const shortage = end.kind === "exit" ? undefined : this.#cgroup?.outOfMemory;
    if (shortage === undefined) return end;
    return shortage === "own" ? { kind: "overMemory", boundBytes: this.#facts.resources.memoryBytes } : { kind: "machineOutOfMemory" };
  }
}

/** Ends what is left of the group of a process that has ended. */
function killRest(pid: number): void {
  try {
    signal(-pid, "SIGKILL");
  } catch {
    // It became another user's, or (macOS) only waits to be reaped: there is nothing that could be done.
  }
}

/** Sends a signal; no error if there is nobody to get it. */
function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
