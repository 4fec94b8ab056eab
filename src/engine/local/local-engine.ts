import type { ChildProcess } from "node:child_process";
import { mkdir, realpath } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../clock/clock.ts";
import type { BundleReader } from "../../core/bundle.ts";
import type { Requirements } from "../../core/deployment.ts";
import type { Preparation } from "../../core/ending.ts";
import type { LogLine } from "../../core/log-line.ts";
import type { Room } from "../../core/placement/room.ts";
import type { Capacity } from "../../core/resources.ts";
import type { Log } from "../../log/log.ts";
import { Troubles } from "../../log/troubles.ts";
import type { Assignment, Engine, Listing } from "../engine.ts";
import type { Cgroup, Cgroups } from "./cgroups.ts";
import { Environments } from "./environments.ts";
import { expectFolder, launch } from "./launch.ts";
import { Leftovers } from "./leftovers.ts";
import { LocalReplica } from "./local-replica.ts";
import { groupsOverMemory } from "./memory.ts";
import { nodeName } from "./node-name.ts";
import { failureOf, Preparations } from "./preparations.ts";
import { bootId, killProcessesWith } from "./process-identity.ts";
import { programEnv } from "./program-env.ts";
import { type Provision, Provisions, requiresProvision } from "./provisions.ts";
import { type ControllerAddresses, type ProcessEnvironment, programArgv, programIn, replicaArgv } from "./replica-env.ts";
import { ReplicaFolder, replicaFolders } from "./replica-folder.ts";
import { startError } from "./shortage.ts";
import { prepareSocketFolder, socketPath } from "./socket-path.ts";
import { UnpackedBundles } from "./unpacked-bundles.ts";

/**
 * How often the engine checks its replicas: the processes that are not our children, and memory.
 */
const watchMs = 1_000;
const retrying = `retrying in ${watchMs / 1_000} s`;
/** Outputs are bounded at every fifth check. */
const checksPerBound = 5;
/** The most kept of each output of a replica, once in its file and once in the older file. */
const logBytesMaxDefault = 10 * 1024 * 1024;

export interface LocalEngineOptions {
  /** The engine's folder; made if missing. One engine at a time (`lockFolder`). */
  readonly dataDir: string;
  readonly capacity: Capacity;
  readonly clock: Clock;
  readonly log: Log;
  /** The variables that replicas inherit. */
  readonly ambientEnv: ProcessEnvironment;
  /**
   * Where replicas reach the controller. Read at each start of a replica. Undefined, and default:
   * they are not given an address.
   */
  readonly controller?: () => ControllerAddresses | undefined;
  /**
   * The most kept of each output of a replica, bytes; twice that on disk. Default {@link
   * logBytesMaxDefault}.
   */
  readonly logBytesMax?: number;
  /** The module that makes Node search for packages in an environment first. */
  readonly npmHook: string;
  /** Node and its arguments that run a `module` program, without the module's path and export. */
  readonly moduleHost: readonly string[];
  /** The folder of the Python SDK. */
  readonly pythonSdk: string;
  /** Where the bundles of programs are kept. */
  readonly bundles: BundleReader;
  /** The requirements of the revisions that are kept: what they need is not dropped. */
  readonly neededRequirements: () => readonly Requirements[];
  /** How long an installation of packages may take. Default: that of `EnvironmentsOptions`. */
  readonly buildMs?: number;
  /** Nodes that are gone for good, with all that ran there. Default: none. */
  readonly forgetNodes?: readonly string[];
  /** Lets the kernel enforce memory bounds. Unset: memory is measured once per {@link watchMs}. */
  readonly cgroups?: Cgroups | undefined;
}

/**
 * Runs replicas as processes of this machine, each with its own folder in the data folder. They
 * outlive the engine: the next engine on the same folder finds them.
 */
export class LocalEngine implements Engine {
  readonly runsImages = false;
  readonly #options: LocalEngineOptions;
  readonly #dataDir: string;
  readonly #node: string;
  readonly #logBytesMax: number;
  readonly #boot = bootId();
  readonly #replicas = new Map<string, LocalReplica>();
  readonly #listeners = new Set<(replicaId: string) => void>();
  readonly #closing = new AbortController();
  readonly #environments: Environments;
  readonly #bundles: UnpackedBundles;
  readonly #provisions: Provisions;
  readonly #leftovers: Leftovers;
  readonly #troubles: Troubles;
  readonly #preparations: Preparations;
  /** Starts that wait for their files or packages. */
  readonly #preparing = new Set<Promise<void>>();
  /** Addresses of the replicas that ended since the last check. */
  readonly #justEnded = new Set<string>();
  #watching: Promise<void> = Promise.resolve();
  #cancelWatch = () => {};
  #checks = 0;

  /** Opens the engine and finds the replicas of earlier engines. */
  static async open(options: LocalEngineOptions): Promise<LocalEngine> {
    await mkdir(options.dataDir, { recursive: true, mode: 0o700 });
    const dataDir = await realpath(options.dataDir);
    const engine = new LocalEngine(options, dataDir, await nodeName(dataDir));
    await engine.#adopt();
    await engine.#environments.sweep();
    await engine.#bundles.open();
    engine.#watchLater();
    return engine;
  }

  private constructor(options: LocalEngineOptions, dataDir: string, node: string) {
    this.#options = options;
    this.#dataDir = dataDir;
    this.#node = node;
    this.#logBytesMax = options.logBytesMax ?? logBytesMaxDefault;
    const { ambientEnv, neededRequirements: needed, clock, log, buildMs } = options;
    this.#leftovers = new Leftovers(log);
    this.#troubles = new Troubles(log);
    const folder = join(dataDir, "environments");
    this.#environments = new Environments({ folder, ambientEnv, needed, clock, log, ...(buildMs === undefined ? {} : { buildMs }) });
    const neededBundles = () => new Set(needed().flatMap(({ bundle }) => bundle ?? []));
    this.#bundles = new UnpackedBundles({ folder: join(dataDir, "unpacked"), reader: options.bundles, needed: neededBundles, log });
    this.#provisions = new Provisions(this.#bundles, this.#environments);
    this.#preparations = new Preparations(this.#provisions, clock, (name) => this.#notify(name));
  }

  room(): Room {
    return { kind: "ledger", node: this.#node, capacity: this.#options.capacity };
  }

  /** The pid of the replica's process, also after its end; undefined: it had none. */
  pid(replicaId: string): number | undefined {
    return this.#replicas.get(replicaId)?.pid;
  }

  async start(assignment: Assignment): Promise<void> {
    await this.#start(assignment).catch((error) => Promise.reject(startError(error)));
  }

  async #start(assignment: Assignment): Promise<void> {
    const { replicaId } = assignment;
    const folder = new ReplicaFolder(join(this.#foldersPath, replicaId));
    const facts = await folder.create(assignment, this.#addressOf(replicaId), this.#options.clock.nowMs(), this.#boot);
    const replica = new LocalReplica(folder, facts, (ended) => this.#announceExit(ended));
    const provision = this.#provisions.isThere(assignment.runtimeEnv) ? await this.#provisions.find(assignment.runtimeEnv) : undefined;
    if (provision === undefined) {
      const unwanted = replica.prepare(undefined);
      this.#replicas.set(replicaId, replica);
      const started = this.#prepare(assignment, folder, replica, unwanted).finally(() => this.#preparing.delete(started));
      this.#preparing.add(started);
      return;
    }
    const child = await this.#launch(assignment, folder, replica, provision).catch(async (error) => {
      this.#options.cgroups?.release(replicaId);
      this.#provisions.giveBack(provision);
      await folder.remove();
      throw error;
    });
    this.#replicas.set(replicaId, replica);
    await replica.own(child, this.#options.clock);
  }

  prepare(name: string, requirements: Requirements): Preparation {
    return this.#preparations.prepare(name, requirements);
  }

  async list(): Promise<Listing> {
    const replicas = [...this.#replicas.values()].map((replica) => ({ ...replica.describe(), node: this.#node }));
    return { replicas, complete: new Set([this.#node, ...(this.#options.forgetNodes ?? [])]) };
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
    const folder = await replica.release();
    this.#replicas.delete(replicaId);
    for (const path of [folder, socketOf(replica.address)]) await this.#leftovers.remove(path);
    this.#options.cgroups?.release(replicaId);
  }

  onExit(listener: (replicaId: string) => void): void {
    this.#listeners.add(listener);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#listeners.clear();
    this.#cancelWatch();
    await Promise.all([this.#environments.close(), this.#bundles.close()]);
    await this.#preparations.close();
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

  /**
   * Starts a replica once its files and packages are there. If that fails, the replica has ended. Never
   * rejects.
   */
  async #prepare(assignment: Assignment, folder: ReplicaFolder, replica: LocalReplica, unwanted: AbortSignal): Promise<void> {
    const made = await this.#prepared(assignment, folder, replica, unwanted).catch(async (cause: unknown) => {
      // The next controller finds a replica that was never started.
      if (this.#closing.signal.aborted) return undefined;
      const { ending, lines } = failureOf(cause);
      await replica.fail(ending, lines);
      return undefined;
    });
    if (made === undefined) return;
    await replica.own(made.child, this.#options.clock).catch((err: unknown) => {
      this.#options.log.error({ err, replica: assignment.replicaId }, "recording the process of a replica failed");
    });
  }

  /**
   * Unpacks its files, installs its packages and starts its process; undefined: the replica is not
   * wanted any more.
   */
  async #prepared(
    assignment: Assignment,
    folder: ReplicaFolder,
    replica: LocalReplica,
    unwanted: AbortSignal,
  ): Promise<{ readonly child: ChildProcess } | undefined> {
    const { runtimeEnv } = assignment;
    if (runtimeEnv.bundle === undefined) await expectFolder(runtimeEnv.workingDir);
    const provision =
      (await this.#provisions.find(runtimeEnv)) ??
      (await this.#provisions.provide(runtimeEnv, unwanted, (step) => void replica.prepare(step)));
    if (unwanted.aborted || this.#closing.signal.aborted) {
      this.#provisions.giveBack(provision);
      return undefined;
    }
    return { child: await this.#launch(assignment, folder, replica, provision) };
  }

  #cgroupOf({ replicaId, resources }: Assignment): Cgroup | undefined {
    try {
      return this.#options.cgroups?.create(replicaId, resources.memoryBytes);
    } catch (err) {
      this.#options.log.warn({ err, replica: replicaId }, "no cgroup could be made for a replica; its memory is measured instead");
      return undefined;
    }
  }

  async #launch(assignment: Assignment, folder: ReplicaFolder, replica: LocalReplica, provision: Provision): Promise<ChildProcess> {
    const { program, resources, runtimeEnv } = assignment;
    const { address } = replica;
    if (requiresProvision(runtimeEnv)) await replica.use(provision);
    await prepareSocketFolder(socketOf(address));
    const cgroup = this.#cgroupOf(assignment);
    replica.join(cgroup);
    const argv = programArgv(programIn(provision.folder, program), this.#options.moduleHost, resources.memoryBytes);
    return launch({
      argv: replicaArgv({ argv, address }),
      workingDir: runtimeEnv.workingDir,
      bundleFolder: provision.folder,
      env: programEnv(assignment, address, provision, this.#options),
      enter: cgroup?.enter ?? [],
      pidFile: folder.pidFile,
      ...replica.output.paths,
    });
  }

  async #adopt(): Promise<void> {
    for (const folder of await replicaFolders(this.#foldersPath)) {
      try {
        const facts = await folder.facts();
        if (!facts) {
          await this.#leftovers.remove(folder.path); // the start got no further than the folder: there is no process
          continue;
        }
        const replica = new LocalReplica(folder, facts, (ended) => this.#announceExit(ended));
        replica.join(this.#options.cgroups?.find(facts.replicaId));
        await replica.adopt(this.#options.clock, this.#boot);
        this.#replicas.set(facts.replicaId, replica);
        if (replica.describe().state === "exited") this.#justEnded.add(replica.address);
        else this.#provisions.hold(replica.uses);
        this.#options.log.info({ replica: facts.replicaId, state: replica.describe().state }, "found a replica of an earlier controller");
      } catch (error) {
        this.#options.log.error({ err: error, folder: folder.path }, "the folder of a replica could not be read; it is left alone");
      }
    }
  }

  #announceExit(replicaId: string): void {
    const replica = this.#replicas.get(replicaId);
    if (replica !== undefined) this.#justEnded.add(replica.address);
    if (replica !== undefined) this.#provisions.giveBack(replica.uses);
    this.#notify(replicaId);
  }

  #notify(name: string): void {
    for (const listener of this.#listeners) listener(name);
  }

  /**
   * Kills what ended replicas started outside their process group: it holds resources that are free
   * for others now. Processes are found by the address, which lies in this engine's folder: another
   * engine of this machine may have a replica of the same id.
   */
  #killLeft(): void {
    killProcessesWith(new Set([...this.#justEnded].map((address) => `DROVER_LISTEN=${address}`)));
    this.#justEnded.clear();
  }

  /** Checks all replicas every {@link watchMs} until the engine is closed. */
  #watchLater(): void {
    if (this.#closing.signal.aborted) return;
    this.#cancelWatch = this.#options.clock.after(watchMs, () => {
      const watch = this.#watch().catch((err) => this.#troubles.failed("all", err, {}, `checking the replicas failed; ${retrying}`));
      this.#watching = watch.finally(() => this.#watchLater());
    });
  }

  async #watch(): Promise<void> {
    this.#preparations.dropUnwanted();
    const bounding = this.#checks++ % checksPerBound === 0;
    if (bounding) this.#options.cgroups?.sweep();
    if (bounding) await this.#leftovers.retry();
    if (bounding) this.#bundles.drop();
    this.#killLeft();
    const over = groupsOverMemory(new Map([...this.#replicas.values()].flatMap(({ memoryBound }) => (memoryBound ? [memoryBound] : []))));
    for (const [replicaId, replica] of this.#replicas) {
      try {
        await replica.check();
        await replica.enforceMemory(over);
        replica.output.noteTimes();
        // An output that grows fast is bounded at every check.
        if (bounding || replica.output.isNoisy) await replica.output.bound(this.#logBytesMax);
        this.#troubles.over(replicaId, { replica: replicaId }, "checking a replica succeeded again");
      } catch (error) {
        this.#troubles.failed(replicaId, error, { replica: replicaId }, `checking a replica failed; ${retrying}`);
      }
    }
  }
}

/** The path in a unix address. */
function socketOf(address: string): string {
  return address.slice("unix:".length);
}
