import type { Deployment } from "../../gen/drover/v1/deployment_pb.ts";
import type { FoundFolder } from "../bundle/find-files.ts";
import type { FolderWatch } from "../bundle/folder-watch.ts";
import { StatusError } from "../core/errors.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { failureLines } from "./failure.ts";
import type { Session } from "./session.ts";
import type { SaveStep } from "./watch-lines.ts";
import { openView, type ViewOutput } from "./watch-view.ts";
import { WatchedDeployments } from "./watched-deployments.ts";

/** A description that takes longer than this is given up when a file is saved meanwhile. */
const patienceMs = 2_000;
/** The wait before a save is deployed again, where the controller could not be reached. */
const againMs = 1_000;

/** The steps after which nothing more happens. */
const finished: readonly SaveStep["kind"][] = ["serving", "unchanged", "overtaken", "failed"];

/** A program that is deployed at each save. */
export interface WatchedProgram {
  /** The folder of its files. */
  readonly folder: string;
  /** The folders that have its files now, where it cannot be loaded. */
  findFolders(signal: AbortSignal): Promise<readonly FoundFolder[]>;
  /**
   * Reads the program and its files as they are now, and sends what the controller lacks. Fails where
   * the signal aborts.
   */
  load(session: Session, report: (step: SaveStep) => void, signal: AbortSignal): Promise<LoadedProgram>;
  /** Makes ready for the next `load`, which is then faster. */
  prepare(): void;
  close(): void;
}

/** A program as it was at one save. */
export interface LoadedProgram {
  /** Its files in words: `12 files, 34 KiB`. */
  readonly size: string;
  /** The folders of its files. */
  readonly folders: readonly FoundFolder[];
  /** The digest of each file, by its path. */
  readonly files: ReadonlyMap<string, string>;
  deploy(session: Session): Promise<DeployedProgram>;
}

/** What became of a deploy. */
export interface DeployedProgram {
  /** In the order of the program. */
  readonly deployed: readonly Deployment[];
  /** The names of deployments that it deleted: the program has them no more. */
  readonly pruned: readonly string[];
}

/**
 * Deploys a program now and at each save, and shows what becomes of it, until Ctrl-C. Fails where
 * the first deploy cannot reach the controller. */
export class WatchRun {
  readonly #session: Session;
  readonly #program: WatchedProgram;
  readonly #watch: FolderWatch;
  readonly #view: ViewOutput;
  readonly #followed: WatchedDeployments;
  readonly #atCtrlC: string;
  #step: SaveStep = { kind: "describing" };
  #loaded: LoadedProgram | undefined;
  /** What is deployed, as far as this session knows. */
  #deployed: LoadedProgram | undefined;
  /** Whether that is the last save. */
  #isDeployed = false;
  #folders: readonly FoundFolder[];
  #saved = "";
  #savedMs = 0;

  constructor(session: Session, program: WatchedProgram, watch: FolderWatch, atCtrlC: string) {
    this.#session = session;
    this.#program = program;
    this.#folders = [{ folder: program.folder, leavesOut: () => false }];
    this.#watch = watch;
    this.#view = openView(session);
    this.#followed = new WatchedDeployments(this.#view.session, () => this.#onDeployments());
    this.#atCtrlC = atCtrlC;
  }

  /** What it has deployed and nobody deleted, also under names that the program has no more. */
  get left(): readonly Deployment[] {
    return this.#followed.left;
  }

  /** Runs until Ctrl-C. */
  async run(): Promise<void> {
    const { io } = this.#session;
    try {
      let changedAtMs = io.nowMs();
      while (!io.interrupted.aborted) {
        const isReached = await this.#deployOnce(changedAtMs);
        if (io.interrupted.aborted) return;
        changedAtMs = (await this.#nextSave(isReached ? undefined : againMs)) ?? changedAtMs;
      }
    } finally {
      await this.#followed.close();
      this.#program.close();
      this.#watch.close();
      this.#view.close();
    }
  }

  /** Returns at the next save with its time, and at the latest after `ms`. */
  async #nextSave(ms: number | undefined): Promise<number | undefined> {
    const { io } = this.#session;
    const over = new AbortController();
    const ended = AbortSignal.any([io.interrupted, over.signal]);
    const changed = this.#watch.changed(ended);
    await Promise.race([changed, ...(ms === undefined ? [] : [io.sleep(ms, ended)])]);
    over.abort();
    return changed;
  }

  /** One deploy of the files, which changed at `changedAtMs`. False: the controller could not be reached. */
  async #deployOnce(changedAtMs: number): Promise<boolean> {
    const { interrupted } = this.#session.io;
    const over = new AbortController();
    const late = new AbortController();
    const guard = this.#abortWhenLate(late, over.signal);
    try {
      await this.#save(changedAtMs, AbortSignal.any([interrupted, late.signal]));
      return true;
    } catch (error) {
      if (interrupted.aborted || late.signal.aborted) return true;
      return this.#onFailure(error);
    } finally {
      over.abort();
      await guard;
    }
  }

  /** Aborts `late` where a file is saved while this takes long. */
  async #abortWhenLate(late: AbortController, over: AbortSignal): Promise<void> {
    await this.#session.io.sleep(patienceMs, over);
    while (!over.aborted && !this.#watch.hasChanged) await this.#session.io.sleep(patienceMs / 10, over);
    if (!over.aborted) late.abort();
  }

  async #save(changedAtMs: number, signal: AbortSignal): Promise<void> {
    const starting = this.#step.kind === "starting" ? this.#saved : undefined;
    this.#saved = "";
    this.#isDeployed = false;
    this.#show({ kind: "describing" });
    // First, so that no change is missed, also where a folder went and came again.
    this.#watch.follow(this.#folders);
    const loaded = await this.#load(signal);
    const isKnown = this.#deployed !== undefined && sameFiles(this.#deployed, loaded);
    const { kind } = this.#followed.progress;
    this.#saved = isKnown && starting !== undefined ? starting : savedInWords(this.#loaded, loaded);
    this.#loaded = loaded;
    this.#follow(loaded.folders);
    if (isKnown && (kind === "serving" || kind === "starting")) {
      this.#onDeployed(loaded, kind === "serving" && starting === undefined ? "unchanged" : "starting");
      return;
    }
    this.#savedMs = changedAtMs;
    this.#show({ kind: "deploying" });
    const { deployed, pruned } = await loaded.deploy(this.#view.session);
    this.#followed.follow(deployed, pruned);
    this.#onDeployed(loaded, "starting");
  }

  #onDeployed(loaded: LoadedProgram, kind: "starting" | "unchanged"): void {
    this.#deployed = loaded;
    this.#isDeployed = true;
    this.#show({ kind });
    this.#onDeployments();
  }

  /** Where the program cannot be loaded, all its folders are watched still: the mistake may be in any of them. */
  async #load(signal: AbortSignal): Promise<LoadedProgram> {
    try {
      return await this.#program.load(this.#view.session, (step) => this.#show(step), signal);
    } catch (error) {
      if (!signal.aborted) this.#follow(await this.#program.findFolders(signal));
      throw error;
    }
  }

  /** Watches these folders. The files of a folder that was not watched may have changed since they were read. */
  #follow(folders: readonly FoundFolder[]): void {
    this.#folders = folders;
    if (this.#watch.follow(folders)) this.#watch.note();
  }

  /** Shows why a save is not deployed. Fails where nothing was ever deployed and nothing can be. */
  #onFailure(error: unknown): boolean {
    const lines = failureLines(error, this.#session.called);
    const isAway = error instanceof StatusError && error.code === "UNAVAILABLE";
    const isFirst = this.#deployed === undefined;
    if (isFirst && (isAway || (error instanceof CliError && error.exitCode === exitCodes.usage))) throw error;
    this.#show({ kind: "failed", lines: this.#followed.away === lines[0] ? [] : lines });
    return !isAway;
  }

  /** Follows a step that depends on what becomes of the deployments. */
  #onDeployments(): void {
    this.#show(this.#isDeployed ? this.#stepNow() : this.#step);
  }

  #stepNow(): SaveStep {
    const { progress } = this.#followed;
    if (this.#step.kind === "unchanged" && progress.kind === "serving") return this.#step;
    if (progress.kind === this.#step.kind && progress.kind !== "overtaken") return this.#step;
    if (progress.kind === "serving") return { kind: "serving", afterMs: this.#session.io.nowMs() - this.#savedMs };
    return progress.kind === "failed" ? { kind: "failed", lines: [] } : progress;
  }

  #show(step: SaveStep): void {
    // Not before, as it would take CPU time from the replicas that start.
    if (finished.includes(step.kind)) this.#program.prepare();
    this.#step = step;
    this.#view.show({
      folder: this.#program.folder,
      size: this.#loaded?.size,
      saved: this.#saved,
      step,
      deployments: this.#followed.seen,
      away: this.#followed.away,
      atCtrlC: this.#atCtrlC,
    });
  }
}

/** The files that differ, in words: `app.ts`, or `3 files`; empty: there is no earlier state. */
function savedInWords(before: LoadedProgram | undefined, now: LoadedProgram): string {
  if (before === undefined) return "";
  const paths = new Set([...before.files.keys(), ...now.files.keys()]);
  const changed = [...paths].filter((path) => before.files.get(path) !== now.files.get(path));
  return changed.length === 1 ? (changed[0] ?? "") : changed.length === 0 ? "" : `${changed.length} files`;
}

function sameFiles(one: LoadedProgram, other: LoadedProgram): boolean {
  return one.files.size === other.files.size && [...one.files].every(([path, digest]) => other.files.get(path) === digest);
}
