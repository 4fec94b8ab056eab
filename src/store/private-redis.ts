import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile, readlink, realpath } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { Redis } from "ioredis";
import type { Clock } from "../clock/clock.ts";
import type { Log } from "../log/log.ts";
import { repairAof } from "./aof-repair.ts";
import { probe } from "./redis-probe.ts";
import { logPath, pidPath, spawnRedis } from "./redis-process.ts";

/** The longest time for a server to read its data and answer. */
const startTimeoutMs = 60_000;
/** The longest time for a former server to answer, or to be gone. */
const formerTimeoutMs = 10_000;
/** The longest time for a server to shut down; then it is killed. */
const stopTimeoutMs = 10_000;
const pollMs = 20;
const restartFirstMs = 50;
const restartMaxMs = 5_000;
/** A server that ran this long ended for a new reason: it is restarted at once. */
const steadyMs = 10_000;
/** The system's limit for the path of a unix socket. */
const socketPathBytesMax = process.platform === "darwin" ? 103 : 107;

export interface PrivateRedisOptions {
  /** The folder of its data, log and pidfile. Created if missing. */
  readonly dataDir: string;
  /** The unix socket where it listens, at most 107 bytes (macOS: 103). */
  readonly socketPath: string;
  /** The program. Default: `redis-server`, found in PATH. */
  readonly binary?: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** A redis-server of this controller. If it dies, it is restarted at the same socket. */
export interface PrivateRedis {
  readonly socketPath: string;
  /** Its process id. A restart changes it. */
  readonly pid: number;
  /** Stops the server, and waits for its end. */
  close(): Promise<void>;
}

/** A running server, with a connection that stays open as long as it runs. */
interface Server {
  readonly client: Redis;
  readonly pid: number;
  /** Unset: a former controller started it. */
  readonly child?: ChildProcess;
}

/**
 * Starts a redis-server with an append-only file, or adopts the one of a former controller that was
 * killed. Fails with an Error that says what to do: program not found, socket path too long,
 * another server at the socket.
 */
export async function startPrivateRedis(options: PrivateRedisOptions): Promise<PrivateRedis> {
  const bytes = Buffer.byteLength(options.socketPath);
  if (bytes > socketPathBytesMax) {
    throw new Error(
      `the path of Redis's unix socket has ${bytes} bytes, the system allows ${socketPathBytesMax} (${options.socketPath}): choose a shorter data folder with --data.`,
    );
  }
  await mkdir(options.dataDir, { recursive: true, mode: 0o700 });
  await mkdir(dirname(options.socketPath), { recursive: true, mode: 0o700 });
  const dataDir = await realpath(options.dataDir);
  const supervisor = new Supervisor({ ...options, dataDir, socketPath: resolve(options.socketPath) });
  await supervisor.start();
  return supervisor;
}

class Supervisor implements PrivateRedis {
  readonly socketPath: string;
  readonly #dataDir: string;
  readonly #binary: string;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #closing = new AbortController();
  #server: Server | undefined;
  #watching: Promise<void> = Promise.resolve();

  constructor(options: PrivateRedisOptions) {
    this.socketPath = options.socketPath;
    this.#dataDir = options.dataDir;
    this.#binary = options.binary ?? "redis-server";
    this.#clock = options.clock;
    this.#log = options.log;
  }

  get pid(): number {
    return this.#server?.pid ?? 0;
  }

  async start(): Promise<void> {
    this.#server = await this.#adoptOrSpawn();
    this.#watching = this.#watch(this.#server);
  }

  async #watch(server: Server): Promise<void> {
    const { signal } = this.#closing;
    let failures = 0;
    let sinceMs = this.#clock.nowMs();
    while (!signal.aborted) {
      await ended(server.client, signal);
      if (this.#clock.nowMs() - sinceMs > steadyMs) failures = 0;
      await this.#clock.sleep(Math.min(restartFirstMs * 2 ** Math.min(failures++, 10), restartMaxMs), signal);
      if (signal.aborted) return;
      try {
        this.#server = await this.#adoptOrSpawn();
        if (this.#server.pid !== server.pid) {
          this.#log.warn({ before: server.pid, pid: this.#server.pid }, "the private redis-server ended and was restarted");
        }
        server = this.#server;
        sinceMs = this.#clock.nowMs();
      } catch (error) {
        if (!signal.aborted) this.#log.error({ err: error }, "the private redis-server ended and cannot be restarted; trying again");
      }
    }
  }

  async #adoptOrSpawn(): Promise<Server> {
    return (await this.#adopt()) ?? (await this.#spawn());
  }

  /**
   * The server that already runs on this folder. Undefined: there is none. Two servers on one
   * folder would ruin the data.
   */
  async #adopt(): Promise<Server | undefined> {
    const untilMs = this.#clock.nowMs() + formerTimeoutMs;
    for (;;) {
      const found = await probe(this.socketPath).catch(() => "silent" as const);
      if (found && found !== "silent") {
        if (found.dir === this.#dataDir) return found.loading ? await this.#loaded(found) : this.#adopted(found);
        found.client.disconnect();
        throw new Error(
          `another redis-server (pid ${found.pid}, data in ${found.dir}) listens at ${this.socketPath}: end it, or choose another data folder.`,
        );
      }
      const formerPid = await runningOn(this.#dataDir);
      if (!found && formerPid === undefined) return undefined;
      if (this.#clock.nowMs() >= untilMs) {
        const who = formerPid === undefined ? "a program" : `redis-server (pid ${formerPid})`;
        throw new Error(`${who} holds ${this.#dataDir} but does not answer at ${this.socketPath}: end it and try again.`);
      }
      await this.#pause();
    }
  }

  #adopted(server: Server): Server {
    if (server.pid !== this.#server?.pid) this.#log.info({ pid: server.pid }, "adopted the redis-server of a former controller");
    // After a broken connection, the same server is still our child.
    const child = server.pid === this.#server?.pid ? this.#server.child : undefined;
    return { client: server.client, pid: server.pid, ...(child && { child }) };
  }

  async #loaded(found: Server): Promise<Server> {
    found.client.disconnect();
    return this.#adopted(await this.#ready());
  }

  /** Starts the server. If it cannot read its append-only file, repairs it and tries again. */
  async #spawn(): Promise<Server> {
    try {
      return await this.#spawnOnce();
    } catch (error) {
      if (!(await this.#repaired())) throw error;
      return await this.#spawnOnce();
    }
  }

  /** Whether the append-only file was damaged, and is repaired. Fails if it needs an operator. */
  async #repaired(): Promise<boolean> {
    const repair = await repairAof(this.#binary, this.#dataDir, this.#clock.nowMs());
    if (repair === undefined) return false;
    const { file, bytes, soundBytes } = repair.damage;
    if (repair.kind === "beyondRepair") {
      throw new Error(
        `redis-server cannot read its append-only file: ${file} is damaged from byte ${soundBytes} of ${bytes} on. ` +
          `Copy ${this.#dataDir}, then run ${repair.command}, which cuts the file there. ` +
          `Or move ${this.#dataDir} away: the controller then goes on with the snapshot in its data folder.`,
      );
    }
    this.#log.warn(
      { file, lostBytes: bytes - soundBytes, keptBytes: soundBytes, copy: repair.copy },
      "the end of Redis's append-only file was damaged and was cut off; a copy of the file as it was is kept",
    );
    return true;
  }

  async #spawnOnce(): Promise<Server> {
    const child = await spawnRedis({ binary: this.#binary, dataDir: this.#dataDir, socketPath: this.socketPath });
    try {
      return { ...(await this.#ready(child)), child };
    } catch (error) {
      child.kill("SIGKILL");
      throw error;
    }
  }

  /** Waits until the server has read its data and answers. */
  async #ready(child?: ChildProcess): Promise<Server> {
    const untilMs = this.#clock.nowMs() + startTimeoutMs;
    for (;;) {
      const found = await probe(this.socketPath).catch(() => undefined);
      if (found && !found.loading) return found;
      found?.client.disconnect();
      if (child && hasExited(child)) throw new Error(`redis-server ended right after its start: ${await lastLogLines(this.#dataDir)}`);
      if (this.#clock.nowMs() >= untilMs) {
        throw new Error(`redis-server does not answer ${startTimeoutMs / 1_000} s after its start; see ${logPath(this.#dataDir)}`);
      }
      await this.#pause();
    }
  }

  async #pause(): Promise<void> {
    await this.#clock.sleep(pollMs, this.#closing.signal);
    if (this.#closing.signal.aborted) throw new Error("closed while redis-server was being started");
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#watching;
    if (this.#server) await stop(this.#server, this.#clock);
  }
}

/**
 * Shuts a server down (its append-only file is written out). Kills it after {@link stopTimeoutMs}.
 */
async function stop({ client, pid, child }: Server, clock: Clock): Promise<void> {
  child?.ref(); // keeps this process alive until the child has ended
  const force = () => {
    if (child) child.kill("SIGKILL");
    else if (client.status !== "end") process.kill(pid, "SIGKILL");
  };
  const stopTimer = clock.after(stopTimeoutMs, force);
  client.shutdown("NOSAVE").catch(() => {});
  await ended(client);
  if (child && !hasExited(child)) await once(child, "exit");
  stopTimer();
}

function hasExited(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** Resolves when the connection is over, or the signal aborts. */
function ended(client: Redis, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      client.off("end", done);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    client.on("end", done);
    signal?.addEventListener("abort", done);
    if (client.status === "end" || signal?.aborted) done();
  });
}

/**
 * The process id of a server that runs on the folder, even if it does not listen (it is ending, or
 * listens elsewhere).
 */
async function runningOn(dataDir: string): Promise<number | undefined> {
  const pid = Number.parseInt(await readFile(pidPath(dataDir), "utf8").catch(() => ""), 10);
  if (!(pid > 0)) return undefined;
  try {
    process.kill(pid, 0);
  } catch {
    return undefined;
  }
  if (process.platform !== "linux") return pid;
  // The id may belong to another program by now. A redis-server's working directory is its data
  // folder. A process that has ended has no working directory.
  const workingDir = await readlink(`/proc/${pid}/cwd`).catch(() => "");
  return workingDir === dataDir ? pid : undefined;
}

async function lastLogLines(dataDir: string): Promise<string> {
  const text = await readFile(logPath(dataDir), "utf8").catch(() => "");
  return text.trimEnd().split("\n").slice(-3).join(" | ") || `see ${logPath(dataDir)}`;
}
