import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../clock/clock.ts";
import type { Ending } from "../../core/ending.ts";
import type { Resources } from "../../core/resources.ts";
import type { Assignment } from "../engine.ts";
import { type ProcessIdentity, parseIdentity } from "./process-identity.ts";

/** What a replica uses, and others may use, too. */
export interface UsedFiles {
  /** The folder of its packages. Undefined: it requires none, or they are not installed yet. */
  readonly environment?: string | undefined;
  /** The digest of the bundle that it runs in. Undefined: none, or it is not unpacked yet. */
  readonly bundle?: string | undefined;
}

/** What is stored of an assignment, for this controller and the next. */
export interface ReplicaFacts extends UsedFiles {
  readonly replicaId: string;
  readonly deployment: string;
  readonly uid: string;
  readonly revision: number;
  readonly address: string;
  readonly token: string;
  readonly resources: Resources;
  readonly gpuIndexes: readonly number[];
  readonly startedAtMs: number;
  /** The boot of the machine (`bootId`) in which the replica was started. */
  readonly boot: string;
}

/** Written to the pid file to keep the process from starting. */
const givenUp = "given up\n";
/** How often to check whether a process has written its record. */
const recordPollMs = 2;
/**
 * A process writes its record right after it creates the file. It never does if it died in between.
 */
const recordWaitMs = 10_000;

/** The folder of one replica: its assignment, its process, its output, how it ended. */
export class ReplicaFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /**
   * The file where the process records itself. The creator of this file decides whether the program
   * runs.
   */
  get pidFile(): string {
    return join(this.path, "pid");
  }

  /** Makes the folder. Fails if it exists. */
  async create(assignment: Assignment, address: string, startedAtMs: number, boot: string): Promise<ReplicaFacts> {
    const { replicaId, deployment, uid, revision, token, resources, gpuIndexes } = assignment;
    const facts = { replicaId, deployment, uid, revision, address, token, resources, gpuIndexes, startedAtMs, boot };
    await mkdir(this.path, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
      throw error.code === "EEXIST" ? new Error(`replica ${replicaId} was already started`) : error;
    });
    await this.note(facts).catch((error) => this.remove().then(() => Promise.reject(error)));
    return facts;
  }

  /** Stores the facts. */
  async note(facts: ReplicaFacts): Promise<void> {
    const part = join(this.path, "replica.json.part");
    await writeFile(part, `${JSON.stringify(facts, undefined, 2)}\n`, { mode: 0o600 }); // it holds the token
    await rename(part, join(this.path, "replica.json")); // atomic
  }

  /** The stored facts; undefined: the start did not get that far. */
  async facts(): Promise<ReplicaFacts | undefined> {
    const text = await this.#read("replica.json");
    return text === undefined ? undefined : JSON.parse(text);
  }

  /** The process as it recorded itself; undefined: there is none, and none can start any more. */
  async identity(clock: Clock): Promise<ProcessIdentity | undefined> {
    await writeFile(this.pidFile, givenUp, { flag: "wx" }).catch(() => {}); // it exists: the process was first
    await this.recorded(clock, () => false);
    return parseIdentity((await this.#read("pid")) ?? givenUp);
  }

  /**
   * Waits until the process has recorded itself or has `ended`, for at most {@link recordWaitMs}.
   */
  async recorded(clock: Clock, ended: () => boolean): Promise<void> {
    const untilMs = clock.nowMs() + recordWaitMs;
    while (!ended() && clock.nowMs() < untilMs && !(await this.#read("pid"))?.endsWith("\n")) await clock.sleep(recordPollMs);
  }

  /** Stores how it ended. */
  async noteEnding(ending: Ending): Promise<void> {
    await this.#write("ending", JSON.stringify(ending));
  }

  /** How it ended; undefined: not stored. */
  async ending(): Promise<Ending | undefined> {
    const text = await this.#read("ending");
    if (text !== undefined) return endingOf(text);
    const note = await this.#read("exit");
    return note === undefined ? undefined : endingOfVersion010(note);
  }

  /** Stores when SIGTERM was first sent. */
  async noteTerminated(atMs: number): Promise<void> {
    await this.#write("terminated", String(atMs));
  }

  /** When SIGTERM was first sent; undefined: not sent. */
  async terminatedAtMs(): Promise<number | undefined> {
    const text = await this.#read("terminated");
    return text === undefined ? undefined : Number(text);
  }

  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true, maxRetries: 3 }); // an output may be truncated right now
  }

  async #read(name: string): Promise<string | undefined> {
    try {
      return await readFile(join(this.path, name), "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  }

  /**
   * Writes a note. Ignores failures, such as a full disk: a note only saves the next controller
   * some work.
   */
  async #write(name: string, text: string): Promise<void> {
    await writeFile(join(this.path, name), text).catch(() => {});
  }
}

/** The ending in a note; `unknown` if the note is incomplete, as after a full disk. */
function endingOf(text: string): Ending {
  try {
    return JSON.parse(text) as Ending;
  } catch {
    return { kind: "unknown" };
  }
}

/** The ending in the sentence that version 0.1.0 stored, in another file. */
function endingOfVersion010(note: string): Ending {
  const [, code] = /^exit code (\d+)$/.exec(note) ?? [];
  if (code !== undefined) return { kind: "exit", code: Number(code) };
  const [, signal] = /^signal (\w+)$/.exec(note) ?? [];
  return signal === undefined ? { kind: "unknown" } : { kind: "signal", signal };
}

/** The folders of replicas under `path`, which is made if missing. */
export async function replicaFolders(path: string): Promise<readonly ReplicaFolder[]> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  return (await readdir(path)).map((name) => new ReplicaFolder(join(path, name)));
}
