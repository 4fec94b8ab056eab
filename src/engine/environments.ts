import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, readlink, rename, rm, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Clock } from "../clock/clock.ts";
import type { Requirements } from "../core/deployment.ts";
import type { Log } from "../log/log.ts";
import { findPython, hasUv, npmCommands, type Python, pipCommands, seePackagesOf } from "./installers.ts";
import { readable } from "./lines.ts";
import type { Environment } from "./replica-env.ts";
import { runTool } from "./run-tool.ts";

/** How long an environment may take to be built. */
const buildMsDefault = 600_000;
/** Environments kept, those that are needed aside. */
const keptMaxDefault = 10;
/** Of what the tool printed last. */
const linesMax = 20;
const lineBytesMax = 1_000;

const receipt = "environment.json";

export interface EnvironmentsOptions {
  /** Its folder; made if it is not there. */
  readonly folder: string;
  /** What the tools inherit. */
  readonly ambientEnv: Environment;
  /** What must not be dropped, whenever it was last used. */
  readonly needed: () => readonly Requirements[];
  readonly clock: Clock;
  readonly log: Log;
  /** Unset: 10 minutes. */
  readonly buildMs?: number;
  /** Unset: 10. */
  readonly keptMax?: number;
}

/** Why an environment could not be built, with the tool's last lines. */
export class BuildError extends Error {
  readonly lines: readonly string[];

  constructor(message: string, lines: readonly string[] = []) {
    super(message);
    this.lines = lines;
  }
}

interface Build {
  readonly done: Promise<string>;
  readonly abort: AbortController;
  waiting: number;
}

/**
 * Installed packages, a folder for each set of requirements, built once however many want it at once, and kept for the next that wants
 * it. A folder stays where it is built, as the scripts in it name it; it counts once a link has its key, which comes last.
 * Invariant: what a link leads to is whole, and is not changed any more.
 */
export class Environments {
  readonly #options: EnvironmentsOptions;
  readonly #builds = new Map<string, Build>();
  #python: Promise<Python | undefined> | undefined;
  #closed = false;

  constructor(options: EnvironmentsOptions) {
    this.#options = options;
  }

  /** The folder of what is installed already; undefined: it is not. Counts as a use. */
  async find(requirements: Requirements): Promise<string | undefined> {
    return this.#use(await this.#keyOf(requirements));
  }

  /** The folder, once it is installed. Fails with a `BuildError`. Where nobody waits any more, that is ended. */
  async build(requirements: Requirements, signal: AbortSignal): Promise<string> {
    const key = await this.#keyOf(requirements);
    const found = await this.#use(key);
    if (found !== undefined) return found;
    if (signal.aborted || this.#closed) throw new BuildError("it is not wanted any more");
    let build = this.#builds.get(key);
    if (build === undefined) {
      const abort = new AbortController();
      const done = this.#install(key, requirements, abort.signal).finally(() => this.#builds.delete(key));
      build = { done, abort, waiting: 0 };
      this.#builds.set(key, build);
    }
    const { done, abort } = build;
    build.waiting += 1;
    const leave = () => {
      build.waiting -= 1;
      if (build.waiting === 0) abort.abort("nobody waits");
    };
    signal.addEventListener("abort", leave, { once: true });
    try {
      return await done;
    } finally {
      signal.removeEventListener("abort", leave);
    }
  }

  /** Ends what is being built. */
  async close(): Promise<void> {
    this.#closed = true;
    const builds = [...this.#builds.values()];
    for (const { abort } of builds) abort.abort("closed");
    await Promise.allSettled(builds.map(({ done }) => done));
  }

  /** The same for the same packages, whatever their order, on the same versions of Node and Python. */
  async #keyOf({ npm, pip }: Requirements): Promise<string> {
    const node = npm.length > 0 ? `${process.platform} ${process.arch} ${process.versions.modules}` : "";
    const python = pip.length > 0 ? ((await this.#findPython())?.identity ?? "") : "";
    const text = JSON.stringify([npm.toSorted(), pip.toSorted(), node, python]);
    return createHash("sha256").update(text).digest("hex").slice(0, 24);
  }

  async #findPython(): Promise<Python | undefined> {
    this.#python ??= findPython(this.#options.ambientEnv);
    const python = await this.#python;
    if (python === undefined) this.#python = undefined; // it may be installed meanwhile
    return python;
  }

  async #use(key: string): Promise<string | undefined> {
    const path = await this.#linked(key);
    if (path === undefined) return undefined;
    const now = new Date(this.#options.clock.nowMs());
    await utimes(join(path, receipt), now, now).catch(() => {});
    return path;
  }

  async #linked(key: string): Promise<string | undefined> {
    const { folder } = this.#options;
    const name = await readlink(join(folder, key)).catch(() => undefined);
    if (name === undefined) return undefined;
    const path = join(folder, basename(name));
    return (await stat(join(path, receipt)).catch(() => undefined)) === undefined ? undefined : path;
  }

  async #install(key: string, requirements: Requirements, signal: AbortSignal): Promise<string> {
    const { folder, ambientEnv: env, clock, log, buildMs = buildMsDefault } = this.#options;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const path = await mkdtemp(join(folder, `${key}.`));
    const output = join(path, "build.log");
    const untilMs = clock.nowMs() + buildMs;
    try {
      const python = requirements.pip.length > 0 ? await this.#findPython() : undefined;
      if (requirements.pip.length > 0 && python === undefined)
        throw new BuildError("its pip packages need python3 on the PATH, and there is none that runs");
      const npm = await npmCommands(path, requirements.npm.toSorted());
      const pip = pipCommands(path, requirements.pip.toSorted(), requirements.pip.length > 0 && (await hasUv(env)));
      for (const command of [...npm, ...pip]) {
        const timeoutMs = Math.max(1, untilMs - clock.nowMs());
        const problem = await runTool({ ...command, workingDir: path, env, output, timeoutMs, signal, clock });
        if (problem !== "") throw new BuildError(problem, await lastLines(output));
      }
      if (python !== undefined) await seePackagesOf(python, path);
      await writeFile(join(path, receipt), `${JSON.stringify(requirements)}\n`);
      const link = `${path}.link`;
      await symlink(basename(path), link);
      await rename(link, join(folder, key));
      log.info({ environment: key, ...requirements, tookMs: clock.nowMs() - untilMs + buildMs }, "installed an environment");
      await this.#drop().catch((err: unknown) => log.warn({ err }, "old environments cannot be dropped"));
      return path;
    } catch (cause) {
      await rm(path, { recursive: true, force: true, maxRetries: 3 });
      throw cause instanceof BuildError ? cause : new BuildError(cause instanceof Error ? cause.message : String(cause));
    }
  }

  /** Removes what is neither needed nor among those used last, and what a controller that was killed left half built. */
  async #drop(): Promise<void> {
    const { folder, needed, keptMax = keptMaxDefault } = this.#options;
    const keep = new Set(await Promise.all(needed().map((requirements) => this.#keyOf(requirements))));
    const names = await readdir(folder);
    const keys = names.filter((name) => !name.includes("."));
    const used = await Promise.all(keys.map(async (key) => ({ key, path: await this.#linked(key), usedMs: await this.#usedMs(key) })));
    const old = used.filter(({ key }) => !keep.has(key)).toSorted((a, b) => b.usedMs - a.usedMs);
    const dropped = new Set(old.slice(keptMax).map(({ key }) => key));
    for (const key of dropped) await rm(join(folder, key), { force: true });
    const whole = new Set(used.flatMap(({ key, path }) => (path === undefined || dropped.has(key) ? [] : basename(path))));
    const loose = names.filter((name) => name.includes(".") && !whole.has(name) && !this.#builds.has(name.split(".")[0] ?? ""));
    for (const name of loose) await rm(join(folder, name), { recursive: true, force: true, maxRetries: 3 });
  }

  async #usedMs(key: string): Promise<number> {
    const path = await this.#linked(key);
    return path === undefined ? 0 : (await stat(join(path, receipt))).mtimeMs;
  }
}

/** What the tools printed last, as a person may read it. */
async function lastLines(path: string): Promise<readonly string[]> {
  const text = await readFile(path, "utf8").catch(() => "");
  const lines = text.split("\n").map((line) => readable(line, lineBytesMax));
  return lines.filter((line) => line.trim() !== "").slice(-linesMax);
}
