import type { ChildProcess } from "node:child_process";
import type { Clock } from "../clock/clock.ts";
import type { EngineReplica } from "./engine.ts";
import { isRunning, type ProcessIdentity, pidInUse } from "./process-identity.ts";
import type { ReplicaFacts, ReplicaFolder } from "./replica-folder.ts";
import { ReplicaOutput } from "./replica-output.ts";

/** One replica: a process of ours, or one that a former controller started. */
export class LocalReplica {
  readonly output: ReplicaOutput;
  readonly #folder: ReplicaFolder;
  readonly #facts: ReplicaFacts;
  readonly #onExit: (replicaId: string) => void;
  readonly #forgotten = new AbortController();
  /** Set: not our child, to be looked at. */
  #adopted: ProcessIdentity | undefined;
  #pid = 0;
  #exit: string | undefined;
  #terminatedAtMs = 0;
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

  describe(): EngineReplica {
    const { replicaId, deployment, uid, revision, address, token, resources, gpuIndexes, startedAtMs } = this.#facts;
    const seen = {
      pid: this.#pid,
      state: this.#alive ? "alive" : "exited",
      exit: this.#exit ?? "",
      terminatedAtMs: this.#terminatedAtMs,
    } as const;
    return { replicaId, deployment, uid, revision, address, token, resources, gpuIndexes, startedAtMs, ...seen };
  }

  /** Ends when all that is known of it is written down. */
  noted(): Promise<void> {
    return this.#noting;
  }

  /** Its process is this child. Ends when the process has written itself down, so that every controller from now on finds it. */
  async own(child: ChildProcess, clock: Clock): Promise<void> {
    this.#pid = child.pid!;
    const ended = (code: number | null, signal: string | null) => this.#ended(signal ? `signal ${signal}` : `exit code ${code}`);
    if (child.exitCode !== null || child.signalCode !== null) ended(child.exitCode, child.signalCode);
    else child.once("exit", ended);
    await this.#folder.recorded(clock, () => !this.#alive);
  }

  /** Finds the process that a former controller started. */
  async adopt(clock: Clock, boot: string): Promise<void> {
    this.#terminatedAtMs = await this.#folder.terminatedAtMs();
    const identity = await this.#folder.identity(clock);
    this.#pid = identity?.pid ?? 0;
    this.#exit = await this.#folder.exit();
    if (this.#exit !== undefined) return;
    if (!identity) this.#exit = "never started";
    else if (boot !== this.#facts.boot || !(await isRunning(identity))) this.#exit = "ended";
    else this.#adopted = identity;
  }

  /** Notices the end of a process that is not our child. */
  async look(): Promise<void> {
    if (this.#adopted && this.#alive && !(await isRunning(this.#adopted))) this.#ended("ended");
  }

  async terminate(nowMs: number): Promise<void> {
    await this.look();
    if (!this.#alive) return;
    signal(this.#pid, "SIGTERM");
    if (this.#terminatedAtMs > 0) return;
    this.#terminatedAtMs = nowMs;
    await this.#folder.noteTerminated(nowMs);
  }

  /** Ends its whole group, also what is left of it after the process itself. */
  async kill(): Promise<void> {
    await this.look();
    // The system gives a pid to no new process while a group of that number lives: in use by another one, the group is gone.
    if (this.#pid > 0 && (this.#alive || !(await pidInUse(this.#pid)))) signal(-this.#pid, "SIGKILL");
  }

  /** Removes what is left of it. Fails while it is alive. */
  async remove(): Promise<void> {
    await this.look();
    if (this.#alive) throw new Error(`replica ${this.#facts.replicaId} is still alive`);
    await this.kill();
    this.#forgotten.abort();
    await this.#noting;
    await this.#folder.remove();
  }

  get #alive(): boolean {
    return this.#exit === undefined;
  }

  #ended(exit: string): void {
    this.#exit = exit;
    this.#noting = this.#folder.noteExit(exit);
    this.#onExit(this.#facts.replicaId);
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
