import type { ChildProcess } from "node:child_process";
import { mkdir, realpath, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../clock/clock.ts";
import type { Requirements } from "../../core/deployment.ts";
import type { Preparation, Preparing } from "../../core/ending.ts";
import type { LogLine } from "../../core/log-line.ts";
import type { Room } from "../../core/placement/room.ts";
import type { Capacity } from "../../core/resources.ts";
import type { Log } from "../../log/log.ts";
import type { Assignment, Engine, Listing } from "../engine.ts";
import type { Cgroup, Cgroups } from "./cgroups.ts";
import { BuildError, Environments } from "./environments.ts";
import { environmentVars } from "./installers.ts";
import { expectFolder, launch } from "./launch.ts";
import { LocalReplica } from "./local-replica.ts";
import { groupsOverMemory } from "./memory.ts";
import { nodeName } from "./node-name.ts";
import { bootId, killProcessesWith } from "./process-identity.ts";
import { withPythonPath } from "./python-path.ts";
import { type Environment, programArgv, replicaArgv, replicaEnv } from "./replica-env.ts";
import { ReplicaFolder, replicaFolders } from "./replica-folder.ts";
import { prepareSocketFolder, socketPath } from "./socket-path.ts";

/** How often processes that are not our children are looked at. */
const watchMs = 1_000;
/** At which of these looks outputs are kept within bounds: each fifth. */
const looksPerBound = 5;
/** How long it is remembered how the packages are of a replica that nobody asks about. */
const aheadMs = 10_000;
/** The most kept of each output of a replica, once in its file and once beside it. */
const logBytesMaxDefault = 10 * 1024 * 1024;

export interface LocalEngineOptions {
  /** Its folder; made if it is not there. One engine at a time (`lockFolder`). */
  readonly dataDir: string;
  readonly capacity: Capacity;
  readonly clock: Clock;
  readonly log: Log;
  /** What replicas inherit. */
  readonly ambientEnv: Environment;
  /** The most kept of each output of a replica, bytes; twice that on disk. Unset: 10 MiB. */
  readonly logBytesMax?: number;
  /** The module that makes Node look for packages in an environment first. */
  readonly npmHook: string;
  /** Node and its arguments that run a `module` program, without the module's path and export. */
  readonly moduleHost: readonly string[];
  /** The folder of the SDK for Python. */
  readonly pythonSdk: string;
  /** What revisions that are kept require: it is not dropped. */
  readonly neededRequirements: () => readonly Requirements[];
  /** How long packages may take to be installed. Unset: 10 minutes. */
  readonly buildMs?: number;
  /** Where the kernel holds replicas to their memory. Unset: they are looked at instead. */
  readonly cgroups?: Cgroups | undefined;
}

/**
 * Replicas as processes of this machine, each in a folder of the data folder. They outlive the engine: the next one on the
 * same folder finds them there.
 */
export class LocalEngine implements Engine {
  readonly #options: LocalEngineOptions;
  readonly #dataDir: string;
  readonly #node: string;
  readonly #logBytesMax: number;
  readonly #boot = bootId();
  readonly #replicas = new Map<string, LocalReplica>();
  readonly #listeners = new Set<(replicaId: string) => void>();
  readonly #closing = new AbortController();
  readonly #environments: Environments;
  readonly #preparing = new Set<Promise<void>>();
  /** What is installed for replicas that are not started yet, by the name that it is asked by. */
  readonly #ahead = new Map<string, Ahead>();
  /** Replicas that ended since the last look. */
  readonly #justEnded = new Set<string>();
  #watching: Promise<void> = Promise.resolve();
  #cancelWatch = () => {};
  #looks = 0;

  /** Opens the engine and finds the replicas that a former one left. */
  static async open(options: LocalEngineOptions): Promise<LocalEngine> {
    await mkdir(options.dataDir, { recursive: true, mode: 0o700 });
    const dataDir = await realpath(options.dataDir);
    const engine = new LocalEngine(options, dataDir, await nodeName(dataDir));
    await engine.#adopt();
    await engine.#environments.sweep();
    engine.#watchLater();
    return engine;
  }

  private constructor(options: LocalEngineOptions, dataDir: string, node: string) {
    this.#options = options;
    this.#dataDir = dataDir;
    this.#node = node;
    this.#logBytesMax = options.logBytesMax ?? logBytesMaxDefault;
    const { ambientEnv, neededRequirements: needed, clock, log, buildMs } = options;
    const folder = join(dataDir, "environments");
    this.#environments = new Environments({ folder, ambientEnv, needed, clock, log, ...(buildMs === undefined ? {} : { buildMs }) });
  }

  room(): Room {
    return { kind: "ledger", node: this.#node, capacity: this.#options.capacity };
  }

  /** The replica's process, or the last it had; undefined: it never had one. */
  pid(replicaId: string): number | undefined {
    return this.#replicas.get(replicaId)?.pid;
  }

  async start(assignment: Assignment): Promise<void> {
    const { replicaId } = assignment;
    const folder = new ReplicaFolder(join(this.#foldersPath, replicaId));
    const facts = await folder.create(assignment, this.#addressOf(replicaId), this.#options.clock.nowMs(), this.#boot);
    const replica = new LocalReplica(folder, facts, (ended) => this.#announceExit(ended));
    if (packagesOf(assignment.runtimeEnv) > 0) {
      const unwanted = replica.prepare(undefined);
      this.#replicas.set(replicaId, replica);
      const preparing = this.#prepare(assignment, folder, replica, unwanted).finally(() => this.#preparing.delete(preparing));
      this.#preparing.add(preparing);
      return;
    }
    const child = await this.#launch(assignment, folder, replica, "").catch(async (error) => {
      this.#options.cgroups?.release(replicaId);
      await folder.remove();
      throw error;
    });
    this.#replicas.set(replicaId, replica);
    await replica.own(child, this.#options.clock);
  }

  prepare(name: string, requirements: Requirements): Preparation {
    if (packagesOf(requirements) === 0) return { kind: "ready" };
    const nowMs = this.#options.clock.nowMs();
    const known = this.#ahead.get(name);
    if (known !== undefined) {
      known.askedAtMs = nowMs;
      return known.preparation;
    }
    const ahead: Ahead = {
      preparation: { kind: "installing", ...installing(requirements) },
      askedAtMs: nowMs,
      abort: new AbortController(),
    };
    this.#ahead.set(name, ahead);
    const tell = (preparation: Preparation) => {
      ahead.preparation = preparation;
      for (const listener of this.#listeners) listener(name);
    };
    const building = this.#environments.build(requirements, ahead.abort.signal).then(
      (path) => {
        this.#environments.giveBack(path);
        tell({ kind: "ready" });
      },
      (cause: unknown) => tell(failureOf(cause)),
    );
    const done = building.finally(() => this.#preparing.delete(done));
    this.#preparing.add(done);
    return ahead.preparation;
  }

  async list(): Promise<Listing> {
    const replicas = [...this.#replicas.values()].map((replica) => ({ ...replica.describe(), node: this.#node }));
    return { replicas, complete: new Set([this.#node]) };
  }

  async stop(replicaId: string, how: "terminate" | "kill"): Promise<void> {
    const replica = this.#replicas.get(replicaId);
    if (how === "kill") await replica?.kill();
    else await replica?.terminate(this.#options.clock.nowMs());
  }

  async lastErrors(replicaId: string, lines: number): Promise<readonly string[]> {
    return (await this.#replicas.get(replicaId)?.output.lastErrors(lines)) ?? [];
  }

  async *logs(
    replicaId: string,
    options: { readonly tailLines: number; readonly follow: boolean },
    signal: AbortSignal,
  ): AsyncIterable<LogLine> {
    const replica = this.#replicas.get(replicaId);
    if (!replica) return;
    const until = AbortSignal.any([signal, replica.forgotten, this.#closing.signal]);
    yield* replica.output.lines(replicaId, options, this.#options.clock, until);
  }

  async forget(replicaId: string): Promise<void> {
    const replica = this.#replicas.get(replicaId);
    if (!replica) return;
    await replica.remove();
    await rm(socketOf(replica.address), { force: true });
    this.#replicas.delete(replicaId);
    this.#options.cgroups?.release(replicaId);
  }

  onExit(listener: (replicaId: string) => void): void {
    this.#listeners.add(listener);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#listeners.clear();
    this.#cancelWatch();
    await this.#environments.close();
    await Promise.all(this.#preparing);
    await this.#watching;
    this.#killLeft();
    for (const replica of this.#replicas.values()) await replica.noted();
  }

  #addressOf(replicaId: string): string {
    return `unix:${socketPath(this.#dataDir, join(this.#dataDir, "run", `${replicaId}.sock`))}`;
  }

  get #foldersPath(): string {
    return join(this.#dataDir, "replicas");
  }

  /** Starts a replica once its packages are installed. Where that fails, it has ended. Never fails itself. */
  async #prepare(assignment: Assignment, folder: ReplicaFolder, replica: LocalReplica, unwanted: AbortSignal): Promise<void> {
    const made = await this.#prepared(assignment, folder, replica, unwanted).catch(async (cause: unknown) => {
      // The next controller finds it as one that was never started.
      if (this.#closing.signal.aborted) return undefined;
      const { ending, lines } = failureOf(cause);
      await replica.fail(ending, lines);
      return undefined;
    });
    if (made === undefined) return;
    await replica.own(made.child, this.#options.clock).catch((err: unknown) => {
      this.#options.log.error({ err, replica: assignment.replicaId }, "a replica cannot be looked after");
    });
  }

  /** Its process, in the making; undefined: it is not wanted any more. */
  async #prepared(
    assignment: Assignment,
    folder: ReplicaFolder,
    replica: LocalReplica,
    unwanted: AbortSignal,
  ): Promise<{ readonly child: ChildProcess } | undefined> {
    const { runtimeEnv } = assignment;
    await expectFolder(runtimeEnv.workingDir);
    let environment = await this.#environments.find(runtimeEnv);
    if (environment === undefined) {
      replica.prepare(installing(runtimeEnv));
      environment = await this.#environments.build(runtimeEnv, unwanted);
    }
    if (unwanted.aborted || this.#closing.signal.aborted) {
      this.#environments.giveBack(environment);
      return undefined;
    }
    await replica.use(environment);
    return { child: await this.#launch(assignment, folder, replica, environment) };
  }

  #cgroupOf({ replicaId, resources }: Assignment): Cgroup | undefined {
    try {
      return this.#options.cgroups?.create(replicaId, resources.memoryBytes);
    } catch (err) {
      this.#options.log.warn({ err, replica: replicaId }, "a replica gets no cgroup: it is looked at instead");
      return undefined;
    }
  }

  /** `environment` is the folder of its packages; empty: it requires none. */
  async #launch(assignment: Assignment, folder: ReplicaFolder, replica: LocalReplica, environment: string): Promise<ChildProcess> {
    const { program, runtimeEnv, resources } = assignment;
    const { address } = replica;
    await prepareSocketFolder(socketOf(address));
    const cgroup = this.#cgroupOf(assignment);
    replica.join(cgroup);
    return launch({
      argv: replicaArgv({ argv: programArgv(program, this.#options.moduleHost, resources.memoryBytes), address }),
      workingDir: runtimeEnv.workingDir,
      env: this.#envOf(assignment, address, environment),
      enter: cgroup?.enter ?? [],
      pidFile: folder.pidFile,
      ...replica.output.paths,
    });
  }

  #envOf(assignment: Assignment, address: string, environment: string): Record<string, string> {
    const { ambientEnv, capacity, npmHook, pythonSdk } = this.#options;
    const { runtimeEnv } = assignment;
    const env = withPythonPath(replicaEnv({ ...assignment, address, envVars: runtimeEnv.envVars }, ambientEnv, capacity), pythonSdk);
    return environment === "" ? env : { ...env, ...environmentVars(environment, runtimeEnv, env, npmHook) };
  }

  async #adopt(): Promise<void> {
    for (const folder of await replicaFolders(this.#foldersPath)) {
      try {
        const facts = await folder.facts();
        if (!facts) {
          await folder.remove(); // a start that came no further than the folder: there is no process
          continue;
        }
        const replica = new LocalReplica(folder, facts, (ended) => this.#announceExit(ended));
        replica.join(this.#options.cgroups?.find(facts.replicaId));
        await replica.adopt(this.#options.clock, this.#boot);
        this.#replicas.set(facts.replicaId, replica);
        if (replica.describe().state === "exited") this.#justEnded.add(facts.replicaId);
        else if (replica.environment !== "") this.#environments.hold(replica.environment);
        this.#options.log.info({ replica: facts.replicaId, state: replica.describe().state }, "found a replica of a former controller");
      } catch (error) {
        this.#options.log.error({ err: error, folder: folder.path }, "the folder of a replica cannot be read; it is left alone");
      }
    }
  }

  #announceExit(replicaId: string): void {
    this.#justEnded.add(replicaId);
    const environment = this.#replicas.get(replicaId)?.environment ?? "";
    if (environment !== "") this.#environments.giveBack(environment);
    for (const listener of this.#listeners) listener(replicaId);
  }

  /** Ends what replicas that have ended started and what left their group: it holds what may be given to others now. */
  #killLeft(): void {
    killProcessesWith(new Set([...this.#justEnded].map((id) => `DROVER_REPLICA_ID=${id}`)));
    this.#justEnded.clear();
  }

  /** Looks at all replicas from time to time until the engine is closed. */
  #watchLater(): void {
    if (this.#closing.signal.aborted) return;
    this.#cancelWatch = this.#options.clock.after(watchMs, () => {
      const watch = this.#watch().catch((err: unknown) => this.#options.log.warn({ err }, "replicas cannot be looked after"));
      this.#watching = watch.finally(() => this.#watchLater());
    });
  }

  async #watch(): Promise<void> {
    for (const [id, { askedAtMs, abort }] of this.#ahead) {
      if (this.#options.clock.nowMs() - askedAtMs < aheadMs) continue;
      this.#ahead.delete(id);
      abort.abort("not asked for any more");
    }
    const bounding = this.#looks++ % looksPerBound === 0;
    if (bounding) this.#options.cgroups?.sweep();
    this.#killLeft();
    const over = groupsOverMemory(new Map([...this.#replicas.values()].flatMap(({ memoryBound }) => (memoryBound ? [memoryBound] : []))));
    for (const replica of this.#replicas.values()) {
      try {
        await replica.look();
        await replica.holdMemory(over);
        replica.output.noteTimes();
        // One that prints fast is looked at each time.
        if (bounding || replica.output.isNoisy) await replica.output.bound(this.#logBytesMax);
      } catch (error) {
        this.#options.log.warn({ err: error, replica: replica.describe().replicaId }, "a replica cannot be looked after");
      }
    }
  }
}

/** What is installed for a replica that waits for room. */
interface Ahead {
  preparation: Preparation;
  askedAtMs: number;
  readonly abort: AbortController;
}

function failureOf(cause: unknown): Extract<Preparation, { kind: "failed" }> {
  if (cause instanceof BuildError) {
    const { problem, freeBytes, lines } = cause;
    return { kind: "failed", ending: { kind: "packagesFailed", problem, freeBytes }, lines };
  }
  const why = cause instanceof Error ? cause.message : String(cause);
  return { kind: "failed", ending: { kind: "failedToStart", why }, lines: [] };
}

const packagesOf = ({ npm, pip }: Requirements): number => npm.length + pip.length;

const installing = (requirements: Requirements): Preparing => ({ packages: packagesOf(requirements) });

/** The path of the socket that a replica listens at. */
function socketOf(address: string): string {
  return address.slice("unix:".length);
}
