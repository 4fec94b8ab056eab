import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../clock/clock.ts";
import type { Ending } from "../../core/ending.ts";
import type { Resources } from "../../core/resources.ts";
import type { Assignment } from "../engine.ts";
import { type ProcessIdentity, parseIdentity } from "./process-identity.ts";

/** What is kept of an assignment, for this controller and the next. */
export interface ReplicaFacts {
  readonly replicaId: string;
  readonly deployment: string;
  readonly uid: string;
  readonly revision: number;
  readonly address: string;
  readonly token: string;
  readonly resources: Resources;
  readonly gpuIndexes: readonly number[];
  readonly startedAtMs: number;
  /** The start of the machine it was started in. */
  readonly boot: string;
  /** The folder of its packages; unset: it requires none, or they are not there yet. */
  readonly environment?: string;
}

/** Written in the place of a process that is not to start any more. */
const givenUp = "given up\n";
/** How often to look whether a process has written its record. */
const recordPollMs = 2;
/** A process that has created its record writes it at once; only one that died between the two never does. */
const recordWaitMs = 10_000;

/** The folder of one replica: what it was given, its process, its output, how it ended. */
export class ReplicaFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** Where the process writes itself down; whoever creates this file decides whether it runs. */
  get pidFile(): string {
    return join(this.path, "pid");
  }

  /** Makes the folder. Fails if there is one. */
  async create(assignment: Assignment, address: string, startedAtMs: number, boot: string): Promise<ReplicaFacts> {
    const { replicaId, deployment, uid, revision, token, resources, gpuIndexes } = assignment;
    const facts = { replicaId, deployment, uid, revision, address, token, resources, gpuIndexes, startedAtMs, boot };
    await mkdir(this.path, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
      throw error.code === "EEXIST" ? new Error(`replica ${replicaId} was already started`) : error;
    });
    await this.note(facts);
    return facts;
  }

  /** Notes what the replica was given. */
  async note(facts: ReplicaFacts): Promise<void> {
    const part = join(this.path, "replica.json.part");
    await writeFile(part, `${JSON.stringify(facts, undefined, 2)}\n`, { mode: 0o600 }); // it holds the token
    await rename(part, join(this.path, "replica.json")); // whole or not at all
  }

  /** What the replica was given; undefined: its start never came that far. */
  async facts(): Promise<ReplicaFacts | undefined> {
    const text = await this.#read("replica.json");
    return text === undefined ? undefined : JSON.parse(text);
  }

  /** Its process as it wrote itself down; undefined: there is none, and from now on none will come. */
  async identity(clock: Clock): Promise<ProcessIdentity | undefined> {
    await writeFile(this.pidFile, givenUp, { flag: "wx" }).catch(() => {}); // it exists: the process was there first
    await this.recorded(clock, () => false);
    return parseIdentity((await this.#read("pid")) ?? givenUp);
  }

  /** Waits until its process has written itself down, or has `ended`, or too long. */
  async recorded(clock: Clock, ended: () => boolean): Promise<void> {
    const untilMs = clock.nowMs() + recordWaitMs;
    while (!ended() && clock.nowMs() < untilMs && !(await this.#read("pid"))?.endsWith("\n")) await clock.sleep(recordPollMs);
  }

  /** Notes how it ended. */
  async noteEnding(ending: Ending): Promise<void> {
    await this.#write("ending", JSON.stringify(ending));
  }

  /** How it ended; undefined: nobody noted it. */
  async ending(): Promise<Ending | undefined> {
    const text = await this.#read("ending");
    if (text !== undefined) return endingOf(text);
    const note = await this.#read("exit");
    return note === undefined ? undefined : endingOfVersion010(note);
  }

  /** Notes when it was first asked to end. */
  async noteTerminated(atMs: number): Promise<void> {
    await this.#write("terminated", String(atMs));
  }

  /** When it was; undefined: it was not. */
  async terminatedAtMs(): Promise<number | undefined> {
    const text = await this.#read("terminated");
    return text === undefined ? undefined : Number(text);
  }

  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true, maxRetries: 3 }); // an output may just be kept in bounds
  }

  async #read(name: string): Promise<string | undefined> {
    try {
      return await readFile(join(this.path, name), "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  }

  /** Writes a note. A folder that is gone, or a full disk, is no reason to stop: a note only spares the next controller some work. */
  async #write(name: string, text: string): Promise<void> {
    await writeFile(join(this.path, name), text).catch(() => {});
  }
}

/** The ending in a note; unknown where the note is not whole, as on a full disk. */
function endingOf(text: string): Ending {
  try {
    return JSON.parse(text) as Ending;
  } catch {
    return { kind: "unknown" };
  }
}

/** How it ended by the sentence that version 0.1.0 noted, in another file. */
function endingOfVersion010(note: string): Ending {
  const [, code] = /^exit code (\d+)$/.exec(note) ?? [];
  if (code !== undefined) return { kind: "exit", code: Number(code) };
  const [, signal] = /^signal (\w+)$/.exec(note) ?? [];
  return signal === undefined ? { kind: "unknown" } : { kind: "signal", signal };
}

/** The folders of replicas under `path`, which is made if it is not there. */
export async function replicaFolders(path: string): Promise<readonly ReplicaFolder[]> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  return (await readdir(path)).map((name) => new ReplicaFolder(join(path, name)));
}
