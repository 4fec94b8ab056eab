import { createHash } from "node:crypto";
import { readlinkSync, rmSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readlink, rename, rm, symlink } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Clock } from "../../clock/clock.ts";
import type { Requirements } from "../../core/deployment.ts";
import type { Log } from "../../log/log.ts";
import { BuildError, lastLines, littleRoom, problemOf } from "./build-error.ts";
import { copySources } from "./environment-sources.ts";
import { lastUseMs, readUses, touchUses, writeUses } from "./environment-uses.ts";
import { findPython, hasUv, npmCommands, type Python, pythonCommands, seePackagesOf, toolEnv } from "./installers.ts";
import { killProcessesWith } from "./process-identity.ts";
import type { ProcessEnvironment } from "./replica-env.ts";
import { needsNpm, needsPython, type ResolvedRequirements, requirementsText } from "./requirements.ts";
import { runTool } from "./run-tool.ts";
import { SharedWork } from "./shared-work.ts";
import { isShortage } from "./shortage.ts";

/** How long the build of an environment may take. */
const buildMsDefault = 1_800_000;
/** How many unused environments are kept, most recently used first. */
const keptMaxDefault = 10;
/** How many of its latest uses an environment notes, besides those that are needed. */
const recentUsesMax = 10;
/** How long the result "there is no Python" is cached. */
const noPythonMs = 30_000;

const unremoved = "an unfinished installation could not be removed; retrying when the controller starts again";
/**
 * A variable that marks the processes of a build, to kill those that are left of a build that
 * failed.
 */
const marker = (path: string): string => `DROVER_BUILD=${path}`;

export interface EnvironmentsOptions {
  /** The folder of all environments; made if missing. */
  readonly folder: string;
  /** The variables that the tools inherit. */
  readonly ambientEnv: ProcessEnvironment;
  /** Requirements whose environments are never dropped. */
  readonly needed: () => readonly Requirements[];
  readonly clock: Clock;
  readonly log: Log;
  /** How long a build may take; default {@link buildMsDefault}. */
  readonly buildMs?: number;
  /** How many unused environments are kept; default {@link keptMaxDefault}. */
  readonly keptMax?: number;
}

/** The bundle's folder from which an installation copies what it needs. */
interface Copying {
  readonly folder: string | undefined;
  isOver: boolean;
}

/** An installed environment: `key` names its link, `name` the folder that the link points to. */
interface Kept {
  readonly key: string;
  readonly name: string;
  /** The texts of the requirements that it was handed out for. */
  readonly uses: readonly string[];
  readonly usedMs: number;
}

/**
 * Installed packages: one folder for each set of requirements. It is built once, also if several
 * replicas need it at the same time, and kept for later use. A folder is never moved, because
 * scripts in it contain its path. The build is complete when a link named by the key points to the
 * folder; the link is made last.
 * Invariant: the folder behind a link is complete and does not change. A folder that was handed out
 * exists until it is given back.
 */
export class Environments {
  readonly #options: EnvironmentsOptions;
  readonly #builds = new SharedWork();
  /** Of each build, by its key. */
  readonly #copying = new Map<string, Copying>();
  /** How often each folder is handed out now. */
  readonly #held = new Map<string, number>();
  /** The texts of the requirements that each folder was handed out for. */
  readonly #uses = new Map<string, ReadonlySet<string>>();
  #noting: Promise<void> = Promise.resolve();
  #python: { readonly found: Promise<Python | undefined>; readonly untilMs: number } | undefined;
  #dropping: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: EnvironmentsOptions) {
    this.#options = options;
  }

  /** Kills and removes the unfinished builds of a controller that was killed. */
  async sweep(): Promise<void> {
    const { folder, log } = this.#options;
    const names = await readdir(folder).catch(() => []);
    const loose = names.filter((name) => this.#isLoose(name)).map((name) => join(folder, name));
    killProcessesWith(new Set(loose.map(marker)));
    for (const path of loose) await remove(path).catch((err: unknown) => log.warn({ err }, unremoved));
  }

  /** Hands out the folder if it is installed already; else undefined. Counts as a use. */
  async find(requirements: Pick<ResolvedRequirements, "required" | "identity">): Promise<string | undefined> {
    return this.#handOut(await this.#keyOf(requirements), requirements.required);
  }

  /**
   * Hands out the folder once it is installed. Fails with a `BuildError`, or with the system's error
   * where the machine is the cause. A build that no caller waits for is stopped. The caller keeps the
   * bundle's files where they are until then.
   */
  async build(requirements: ResolvedRequirements, signal: AbortSignal): Promise<string> {
    const key = await this.#keyOf(requirements);
    for (;;) {
      const found = await this.#handOut(key, requirements.required);
      if (found !== undefined) return found;
      if (signal.aborted || this.#closed) throw new BuildError({ kind: "unwanted" });
      const other = this.#copying.get(key);
      await this.#builds
        .join(key, (stop) => this.#begin(key, requirements, stop), signal)
        .catch((cause: unknown) => {
          // The callers that began it have left, and with them the bundle that it copied from.
          if (other === undefined || other.isOver || other.folder === requirements.folder) throw cause;
        });
    }
  }

  /** Ends one use of a folder that was handed out. */
  giveBack(path: string): void {
    const name = basename(path);
    const count = (this.#held.get(name) ?? 0) - 1;
    if (count > 0) this.#held.set(name, count);
    else this.#held.delete(name);
  }

  /** Begins one use of a folder, such as one that an earlier controller handed out. */
  hold(path: string): void {
    const name = basename(path);
    this.#held.set(name, (this.#held.get(name) ?? 0) + 1);
  }

  /** Stops all builds. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#builds.close();
    await this.#dropping;
    await this.#noting;
  }

  async #begin(key: string, requirements: ResolvedRequirements, signal: AbortSignal): Promise<void> {
    const copying = { folder: requirements.folder, isOver: false };
    this.#copying.set(key, copying);
    try {
      await this.#install(key, requirements, copying, signal);
    } finally {
      this.#copying.delete(key);
    }
  }

  /** Equal for the same packages in any order, on the same versions of Node and Python. */
  async #keyOf({ required, identity }: Pick<ResolvedRequirements, "required" | "identity">): Promise<string> {
    const node = needsNpm(required) ? `${process.platform} ${process.arch} ${process.versions.modules}` : "";
    const python = needsPython(required) ? ((await this.#findPython())?.identity ?? "") : "";
    const text = JSON.stringify([identity, node, python]);
    return createHash("sha256").update(text).digest("hex").slice(0, 24);
  }

  async #findPython(): Promise<Python | undefined> {
    const { ambientEnv, clock } = this.#options;
    if (this.#python === undefined || clock.nowMs() >= this.#python.untilMs)
      this.#python = { found: findPython(ambientEnv), untilMs: clock.nowMs() + noPythonMs };
    const python = await this.#python.found;
    if (python !== undefined) this.#python = { found: this.#python.found, untilMs: Number.POSITIVE_INFINITY };
    return python;
  }

  async #handOut(key: string, required: Requirements): Promise<string | undefined> {
    const { folder, clock } = this.#options;
    const name = await readlink(join(folder, key)).catch(() => undefined);
    if (name === undefined) return undefined;
    const path = join(folder, name);
    this.hold(path);
    await this.#noteUse(name, required);
    const whole = await touchUses(path, clock.wallMs()); // as the file system sets it
    // From here on it is not dropped, but it may have been dropped just before.
    if (whole && this.#targetOf(key) === name) return path;
    this.giveBack(path);
    return undefined;
  }

  /** Notes with a folder that it is handed out for these requirements, too. */
  async #noteUse(name: string, required: Requirements): Promise<void> {
    if (this.#uses.get(name)?.has(requirementsText(required))) return;
    this.#noting = this.#noting
      .then(() => this.#addUse(name, required))
      .catch((err: unknown) => this.#options.log.warn({ err }, "the use of an environment was not noted; retrying at its next use"));
    await this.#noting;
  }

  async #addUse(name: string, required: Requirements): Promise<void> {
    const { folder, needed } = this.#options;
    const path = join(folder, name);
    const known = await readUses(path);
    if (known === undefined) return;
    const text = requirementsText(required);
    const isKnown = known.some((one) => requirementsText(one) === text);
    const wanted = new Set(needed().map(requirementsText));
    const kept = known.filter((one, index) => index >= known.length - recentUsesMax || wanted.has(requirementsText(one)));
    const uses = isKnown ? known : [...kept, required];
    if (!isKnown) await writeUses(path, uses);
    this.#uses.set(name, new Set(uses.map(requirementsText)));
  }

  #targetOf(key: string): string | undefined {
    try {
      return readlinkSync(join(this.#options.folder, key));
    } catch {
      return undefined;
    }
  }

  async #install(key: string, requirements: ResolvedRequirements, copying: Copying, signal: AbortSignal): Promise<void> {
    const { folder, ambientEnv, clock, log, buildMs = buildMsDefault } = this.#options;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const path = await mkdtemp(join(folder, `${key}.`));
    const output = join(path, "build.log");
    const beganMs = clock.nowMs();
    try {
      const { required } = requirements;
      const python = needsPython(required) ? await this.#findPython() : undefined;
      if (needsPython(required) && python === undefined) throw new BuildError({ kind: "noPython" });
      await copySources(path, requirements, signal);
      copying.isOver = true;
      const npm = await npmCommands(path, required);
      const pip = python === undefined ? [] : await pythonCommands(path, required, python, await hasUv(ambientEnv));
      for (const { name, argv, workingDir = path, env: more } of [...npm, ...pip]) {
        const env = { ...toolEnv(ambientEnv), ...more, DROVER_BUILD: path };
        const result = await runTool({ argv, workingDir, env, output, untilMs: beganMs + buildMs, signal, clock });
        if (result.kind === "done") continue;
        throw new BuildError(problemOf(name, result, buildMs), await lastLines(output), await littleRoom(path));
      }
      if (python !== undefined) await seePackagesOf(python, path);
      await writeUses(path, [required]);
      this.#uses.set(basename(path), new Set([requirementsText(required)]));
      const link = `${path}.link`;
      await symlink(basename(path), link);
      await rename(link, join(folder, key));
      log.info(
        { environment: key, npm: required.npm, pip: required.pip, lockfile: required.lockfile, tookMs: clock.nowMs() - beganMs },
        "installed an environment",
      );
      this.#dropping = this.#dropping
        .then(() => this.#drop())
        .catch((err: unknown) => log.warn({ err }, "old environments were not removed; retrying after the next installation"));
    } catch (cause) {
      killProcessesWith(new Set([marker(path)]));
      await remove(path).catch((err: unknown) => log.warn({ err }, unremoved));
      // Where the machine is the cause, the requirements are not to blame.
      throw cause instanceof BuildError || isShortage(cause)
        ? cause
        : new BuildError({ kind: "system", why: cause instanceof Error ? cause.message : String(cause) });
    }
  }

  /**
   * Removes environments that are not needed, not handed out, and not among the most recently used.
   * Also removes folders that have neither a link nor a build.
   */
  async #drop(): Promise<void> {
    const { folder, needed, keptMax = keptMaxDefault } = this.#options;
    const names = await readdir(folder);
    const kept = (await Promise.all(names.map((name) => this.#kept(name)))).flatMap((one) => one ?? []);
    let spared = 0;
    for (const { key, name, uses } of kept.toSorted((a, b) => b.usedMs - a.usedMs)) {
      // No await between this check and the removal of the link: without a link the folder cannot
      // be handed out.
      if (needed().some((one) => uses.includes(requirementsText(one))) || this.#held.has(name) || this.#targetOf(key) !== name) continue;
      if (spared++ >= keptMax) rmSync(join(folder, key), { force: true });
    }
    for (const name of await readdir(folder)) {
      if (!this.#isLoose(name)) continue;
      this.#uses.delete(name);
      await remove(join(folder, name));
    }
  }

  async #kept(key: string): Promise<Kept | undefined> {
    const name = this.#targetOf(key);
    if (name === undefined || key.includes(".")) return undefined;
    const path = join(this.#options.folder, name);
    const uses = await readUses(path);
    if (uses === undefined) return undefined;
    return { key, name, uses: uses.map(requirementsText), usedMs: await lastUseMs(path) };
  }

  /**
   * Whether it is a folder, or an unfinished link, without a link, a user or a build of its key.
   */
  #isLoose(name: string): boolean {
    const [key = ""] = name.split(".");
    const isHeld = this.#held.has(name.replace(/\.link$/, ""));
    return key !== name && !isHeld && !this.#builds.has(key) && this.#targetOf(key) !== name;
  }
}

async function remove(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 3 });
}
