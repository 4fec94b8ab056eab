import type { ChildProcess } from "node:child_process";
import type { Clock } from "../../clock/clock.ts";
import type { Ending, Preparing } from "../../core/ending.ts";
import type { EngineReplica } from "../engine.ts";
import type { Cgroup } from "./cgroups.ts";
import { processEnd } from "./process-end.ts";
import { groupHas, isRunning, isTaken, type ProcessIdentity } from "./process-identity.ts";
import type { ReplicaFacts, ReplicaFolder, UsedFiles } from "./replica-folder.ts";
import { ReplicaOutput } from "./replica-output.ts";

/** How many last lines of standard error to search for Node's reason. */
const heapLines = 100;

/**
 * One replica: a child process of this controller, or a process that an earlier controller started.
 * Invariant: when the end of its process is observed, the rest of its process group is killed,
 * because its resources are free for others then. That happens only once: later the group id may
 * belong to another group.
 */
export class LocalReplica {
  readonly output: ReplicaOutput;
  readonly #folder: ReplicaFolder;
  #facts: ReplicaFacts;
  readonly #onExit: (replicaId: string) => void;
  /** Undefined: the replica has no cgroup. */
  #cgroup: Cgroup | undefined;
  readonly #forgotten = new AbortController();
  /** Set if the process is not our child, so that its end has to be polled for. */
  #adopted: ProcessIdentity | undefined;
  #pid: number | undefined;
  #ending: Ending | undefined;
  #terminatedAtMs: number | undefined;
  /** What is being prepared before its process starts. */
  #preparing: Preparing | undefined;
  readonly #unwanted = new AbortController();
  /** The ending to report, if we kill the replica for a reason of our own. */
  #why: Ending | undefined;
  /** The write of its ending that is going on. */
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

  /** The observation without the node, which the engine adds. */
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

  /** The pid of its process, also after its end; undefined: it had none. */
  get pid(): number | undefined {
    return this.#pid;
  }

  /** Resolves when its ending, if any, is stored. */
  noted(): Promise<void> {
    return this.#noting;
  }

  /**
   * Called while its packages are found or installed. The signal aborts when the replica is not
   * wanted any more.
   */
  prepare(preparing: Preparing | undefined): AbortSignal {
    this.#preparing = preparing;
    return this.#unwanted.signal;
  }

  /** Called with what it uses, before its process starts. */
  async use({ environment, bundle }: UsedFiles): Promise<void> {
    this.#facts = { ...this.#facts, ...(environment === undefined ? {} : { environment }), ...(bundle === undefined ? {} : { bundle }) };
    await this.#folder.note(this.#facts);
  }

  /** Called with `ending` if it gets no process. */
  async fail(ending: Ending, lines: readonly string[]): Promise<void> {
    await this.output.note(lines).catch(() => {}); // perhaps a full disk: the ending is reported all the same
    if (!this.#alive) return;
    this.#ended(ending);
  }

  /**
   * Takes `child` as its process. Resolves when the process has recorded itself, so that later
   * controllers find it.
   */
  async own(child: ChildProcess, clock: Clock): Promise<void> {
    const pid = child.pid!;
    if (!this.#alive) {
      this.#cgroup?.kill();
      return killRest(pid); // the replica was stopped while its process was being made
    }
    this.#pid = pid;
    this.#preparing = undefined;
    const ended = (code: number | null, name: NodeJS.Signals | null) => {
      killRest(pid); // the pid became free just now, so no other process has it yet
      const end = processEnd(code, name);
      // Node ends like this when its heap is full, and prints the reason on standard error.
      if (this.#facts.resources.memoryBytes > 0 && (name === "SIGABRT" || code === 134)) void this.#endedByHeap(end);
      else this.#ended(end);
    };
    if (child.exitCode !== null || child.signalCode !== null) ended(child.exitCode, child.signalCode);
    else child.once("exit", ended);
    await this.#folder.recorded(clock, () => !this.#alive);
  }

  /** Finds the process that an earlier controller started. */
  async adopt(clock: Clock, boot: string): Promise<void> {
    const terminatedAtMs = await this.#folder.terminatedAtMs();
    // The controller that noted it may have had a clock that was ahead of ours.
    this.#terminatedAtMs = terminatedAtMs && Math.min(terminatedAtMs, clock.nowMs());
    const identity = await this.#folder.identity(clock);
    this.#pid = identity?.pid;
    this.#ending = await this.#folder.ending();
    if (this.#ending !== undefined) return;
    if (!identity) this.#ending = { kind: "neverStarted" };
    else if (boot !== this.#facts.boot) this.#ending = { kind: "unknown" };
    else if (await isRunning(identity)) this.#adopted = identity;
    else {
      const ours = !(await isTaken(identity)) && groupHas(identity.pid, `DROVER_REPLICA_ID=${this.#facts.replicaId}`);
      if (ours) killRest(identity.pid);
      this.#ending = this.#wholeEnding({ kind: "unknown" });
      this.#noting = this.#folder.noteEnding(this.#ending); // so that no later controller kills another group with this id
    }
  }

  /** Detects the end of a process that is not our child. */
  async check(): Promise<void> {
    if (!this.#adopted || !this.#alive || (await isRunning(this.#adopted))) return;
    const taken = await isTaken(this.#adopted);
    if (!this.#alive) return; // another check was faster
    if (!taken) killRest(this.#adopted.pid);
    this.#ended({ kind: "unknown" });
  }

  async terminate(nowMs: number): Promise<void> {
    await this.check();
    if (!this.#alive) return;
    if (this.#pid === undefined) return this.#giveUp();
    signal(this.#pid, "SIGTERM");
    if (this.#terminatedAtMs !== undefined) return;
    this.#terminatedAtMs = nowMs;
    await this.#folder.noteTerminated(nowMs);
  }

  /** Kills it if its process group is among those over their memory limit (`groupsOverMemory`). */
  async enforceMemory(over: ReadonlyMap<number, number>): Promise<void> {
    const { memoryBytes } = this.#facts.resources;
    const bytes = this.#pid === undefined ? undefined : over.get(this.#pid);
    if (!this.#alive || memoryBytes === 0 || bytes === undefined) return;
    this.#why = { kind: "overMemory", usedBytes: bytes, boundBytes: memoryBytes };
    await this.kill();
  }

  /**
   * Its process group and memory bound; undefined: no process, no bound, or the kernel enforces it.
   */
  get memoryBound(): readonly [group: number, bytes: number] | undefined {
    const { memoryBytes } = this.#facts.resources;
    if (this.#cgroup !== undefined || !this.#alive || this.#pid === undefined) return undefined;
    return memoryBytes > 0 ? [this.#pid, memoryBytes] : undefined;
  }

  /** Called with the cgroup of all its processes, before or after they start. */
  join(cgroup: Cgroup | undefined): void {
    this.#cgroup = cgroup;
  }

  /** What it uses, also after its end. */
  get uses(): UsedFiles {
    return this.#facts;
  }

  /** Kills its whole process group. */
  async kill(): Promise<void> {
    await this.check();
    if (!this.#alive) return;
    if (this.#pid === undefined) this.#giveUp();
    else {
      this.#cgroup?.kill();
      signal(-this.#pid, "SIGKILL");
    }
  }

  /** Ends what is done for it, and returns its folder. Fails while it is alive. */
  async release(): Promise<string> {
    await this.check();
    if (this.#alive) throw new Error(`replica ${this.#facts.replicaId} is still alive`);
    this.#forgotten.abort();
    await this.#noting;
    return this.#folder.path;
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

  /**
   * Kills what is left of its cgroup. Returns `end`, or the shortage of memory that the kernel
   * reports as its cause.
   */
  #wholeEnding(end: Ending): Ending {
    this.#cgroup?.kill();
    const shortage = end.kind === "exit" ? undefined : this.#cgroup?.outOfMemory;
    if (shortage === undefined) return end;
    return shortage === "own" ? { kind: "overMemory", boundBytes: this.#facts.resources.memoryBytes } : { kind: "machineOutOfMemory" };
  }
}

/** Kills what is left of the group of a process that has ended. */
function killRest(pid: number): void {
  try {
    signal(-pid, "SIGKILL");
  } catch {
    // Its user has changed, or (macOS) it is a zombie: nothing can be done.
  }
}

/** Sends a signal; no error if the process has ended. */
function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
