import { createHash } from "node:crypto";
import { readlinkSync, rmSync } from "node:fs";
import { mkdir, mkdtemp, open, readdir, readFile, readlink, rename, rm, stat, statfs, symlink, utimes, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Clock } from "../../clock/clock.ts";
import type { Requirements } from "../../core/deployment.ts";
import type { InstallProblem } from "../../core/ending.ts";
import type { Log } from "../../log/log.ts";
import { findPython, hasUv, npmCommands, type Python, pipCommands, seePackagesOf, toolEnv } from "./installers.ts";
import { readable } from "./lines.ts";
import { killProcessesWith } from "./process-identity.ts";
import type { ProcessEnvironment } from "./replica-env.ts";
import { runTool, type ToolResult } from "./run-tool.ts";

/** How long the build of an environment may take. */
const buildMsDefault = 1_800_000;
/** How many unused environments are kept, most recently used first. */
const keptMaxDefault = 10;
/** Bounds on the tool's last lines in a {@link BuildError}. */
const linesMax = 20;
const lineBytesMax = 1_000;
const tailBytesMax = 64 * 1024;
/** With less free disk space than this, a failure names the disk as a possible cause. */
const littleBytes = 256 * 1024 * 1024;
/** How long the result "there is no Python" is cached. */
const noPythonMs = 30_000;

const receipt = "environment.json";
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

/** Why an environment could not be built, with the tool's last lines. */
export class BuildError extends Error {
  readonly problem: InstallProblem;
  readonly lines: readonly string[];
  /** Set if too little free disk space may be the cause. */
  readonly freeBytes: number | undefined;

  constructor(problem: InstallProblem, lines: readonly string[] = [], freeBytes?: number) {
    super(`packages could not be installed: ${problem.kind}`);
    this.problem = problem;
    this.lines = lines;
    this.freeBytes = freeBytes;
  }
}

interface Build {
  readonly done: Promise<void>;
  readonly abort: AbortController;
  waiting: number;
}

/** An installed environment: `key` names its link, `name` the folder that the link points to. */
interface Kept {
  readonly key: string;
  readonly name: string;
  readonly requirements: string;
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
  readonly #builds = new Map<string, Build>();
  /** How often each folder is handed out now. */
  readonly #held = new Map<string, number>();
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
  async find(requirements: Requirements): Promise<string | undefined> {
    return this.#handOut(await this.#keyOf(requirements));
  }

  /**
   * Hands out the folder once it is installed. Fails with a `BuildError`. A build that no caller
   * waits for is stopped.
   */
  async build(requirements: Requirements, signal: AbortSignal): Promise<string> {
    const key = await this.#keyOf(requirements);
    for (;;) {
      const found = await this.#handOut(key);
      if (found !== undefined) return found;
      if (signal.aborted || this.#closed) throw new BuildError({ kind: "unwanted" });
      const other = this.#builds.get(key);
      // A build that is being stopped cannot be joined: begin a new one after it.
      if (other?.abort.signal.aborted) await other.done.catch(() => {});
      else await this.#join(other ?? this.#begin(key, requirements), signal);
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
    const builds = [...this.#builds.values()];
    for (const { abort } of builds) abort.abort("closed");
    await Promise.allSettled(builds.map(({ done }) => done));
    await this.#dropping;
  }

  #begin(key: string, requirements: Requirements): Build {
    const abort = new AbortController();
    const done = this.#install(key, requirements, abort.signal).finally(() => this.#builds.delete(key));
    const build = { done, abort, waiting: 0 };
    this.#builds.set(key, build);
    return build;
  }

  async #join(build: Build, signal: AbortSignal): Promise<void> {
    build.waiting += 1;
    const leave = () => {
      build.waiting -= 1;
      if (build.waiting === 0) build.abort.abort("no caller waits for the build");
    };
    signal.addEventListener("abort", leave, { once: true });
    try {
      await build.done;
    } finally {
      signal.removeEventListener("abort", leave);
    }
  }

  /** Equal for the same packages in any order, on the same versions of Node and Python. */
  async #keyOf(requirements: Requirements): Promise<string> {
    const node = requirements.npm.length > 0 ? `${process.platform} ${process.arch} ${process.versions.modules}` : "";
    const python = requirements.pip.length > 0 ? ((await this.#findPython())?.identity ?? "") : "";
    const text = JSON.stringify([textOf(requirements), node, python]);
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

  async #handOut(key: string): Promise<string | undefined> {
    const { folder, clock } = this.#options;
    const name = await readlink(join(folder, key)).catch(() => undefined);
    if (name === undefined) return undefined;
    const path = join(folder, name);
    const now = new Date(clock.wallMs()); // as the file system sets it
    const whole = await utimes(join(path, receipt), now, now).then(
      () => true,
      () => false,
    );
    this.hold(path);
    // From here on it is not dropped, but it may have been dropped just before.
    if (whole && this.#targetOf(key) === name) return path;
    this.giveBack(path);
    return undefined;
  }

  #targetOf(key: string): string | undefined {
    try {
      return readlinkSync(join(this.#options.folder, key));
    } catch {
      return undefined;
    }
  }

  async #install(key: string, requirements: Requirements, signal: AbortSignal): Promise<void> {
    const { folder, ambientEnv, clock, log, buildMs = buildMsDefault } = this.#options;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const path = await mkdtemp(join(folder, `${key}.`));
    const output = join(path, "build.log");
    const beganMs = clock.nowMs();
    try {
      const python = requirements.pip.length > 0 ? await this.#findPython() : undefined;
      if (requirements.pip.length > 0 && python === undefined) throw new BuildError({ kind: "noPython" });
      const npm = await npmCommands(path, requirements.npm.toSorted());
      const pip = python === undefined ? [] : pipCommands(path, requirements.pip.toSorted(), python, await hasUv(ambientEnv));
      const env = { ...toolEnv(ambientEnv), DROVER_BUILD: path };
      for (const command of [...npm, ...pip]) {
        const result = await runTool({ ...command, workingDir: path, env, output, untilMs: beganMs + buildMs, signal, clock });
        if (result.kind === "done") continue;
        throw new BuildError(problemOf(command.name, result, buildMs), await lastLines(output), await littleRoom(path));
      }
      if (python !== undefined) await seePackagesOf(python, path);
      await writeFile(join(path, receipt), `${JSON.stringify({ npm: requirements.npm, pip: requirements.pip })}\n`);
      const link = `${path}.link`;
      await symlink(basename(path), link);
      await rename(link, join(folder, key));
      log.info(
        { environment: key, npm: requirements.npm, pip: requirements.pip, tookMs: clock.nowMs() - beganMs },
        "installed an environment",
      );
      this.#dropping = this.#dropping
        .then(() => this.#drop())
        .catch((err: unknown) => log.warn({ err }, "old environments were not removed; retrying after the next installation"));
    } catch (cause) {
      killProcessesWith(new Set([marker(path)]));
      await remove(path).catch((err: unknown) => log.warn({ err }, unremoved));
      throw cause instanceof BuildError
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
    for (const { key, name, requirements } of kept.toSorted((a, b) => b.usedMs - a.usedMs)) {
      // No await between this check and the removal of the link: without a link the folder cannot
      // be handed out.
      if (needed().some((one) => textOf(one) === requirements) || this.#held.has(name) || this.#targetOf(key) !== name) continue;
      if (spared++ >= keptMax) rmSync(join(folder, key), { force: true });
    }
    for (const name of await readdir(folder)) if (this.#isLoose(name)) await remove(join(folder, name));
  }

  async #kept(key: string): Promise<Kept | undefined> {
    const name = this.#targetOf(key);
    if (name === undefined || key.includes(".")) return undefined;
    const file = join(this.#options.folder, name, receipt);
    const text = await readFile(file, "utf8").catch(() => undefined);
    if (text === undefined) return undefined;
    return { key, name, requirements: textOf(JSON.parse(text) as Requirements), usedMs: (await stat(file)).mtimeMs };
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

/** Equal for the same requirements in any order. */
function textOf({ npm, pip }: Requirements): string {
  return JSON.stringify([npm.toSorted(), pip.toSorted()]);
}

async function remove(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 3 });
}

function problemOf(tool: string, result: Exclude<ToolResult, { readonly kind: "done" }>, withinMs: number): InstallProblem {
  switch (result.kind) {
    case "ended":
      return { kind: "toolEnded", tool, end: result.end };
    case "late":
      return { kind: "late", tool, withinMs };
    case "unwanted":
      return result;
    case "notFound":
      return { kind: "toolNotFound", program: result.program };
    case "notRun":
      return { kind: "toolNotRun", tool, why: result.why };
  }
}

/**
 * The free disk space if it is low. A tool cannot always report a full disk, because its output is
 * on the same disk.
 */
async function littleRoom(path: string): Promise<number | undefined> {
  const free = await statfs(path).then(
    ({ bavail, bsize }) => bavail * bsize,
    () => Number.POSITIVE_INFINITY,
  );
  return free < littleBytes ? free : undefined;
}

/** The last lines that the tools printed, made readable. */
async function lastLines(path: string): Promise<readonly string[]> {
  const file = await open(path).catch(() => undefined);
  if (file === undefined) return [];
  try {
    const { size } = await file.stat();
    const buffer = Buffer.alloc(Math.min(size, tailBytesMax));
    await file.read(buffer, 0, buffer.length, size - buffer.length);
    const lines = buffer
      .toString()
      .split("\n")
      .map((line) => readable(line, lineBytesMax));
    return lines.filter((line) => line.trim() !== "").slice(-linesMax);
  } finally {
    await file.close();
  }
}
