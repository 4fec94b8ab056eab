import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { rename, stat } from "node:fs/promises";
import { join } from "node:path";

/** A larger redis.log is renamed to redis.log.1 at the start of the server. */
const logBytesMax = 1 << 20;
/** How much of the end of a tool's output is kept. */
const outputCharsMax = 64 << 10;

export interface RedisProcessOptions {
  readonly binary: string;
  readonly dataDir: string;
  readonly socketPath: string;
}

/** Where the server writes its log. */
export function logPath(dataDir: string): string {
  return join(dataDir, "redis.log");
}

/** Where the server writes its process id. It removes the file when it shuts down. */
export function pidPath(dataDir: string): string {
  return join(dataDir, "redis.pid");
}

/**
 * Starts a redis-server that keeps its data in a folder and listens only at a unix socket. It has
 * its own session and no pipe to this process, so that neither Ctrl-C in the terminal nor the end
 * of this process ends it.
 */
export async function spawnRedis(options: RedisProcessOptions): Promise<ChildProcess> {
  await putAsideLog(logPath(options.dataDir));
  const child = spawn(options.binary, settings(options), { detached: true, stdio: "ignore" });
  try {
    await once(child, "spawn");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    throw new Error(
      `redis-server was not found (${options.binary}): install it (Debian: apt-get install redis-server; macOS: brew install redis), ` +
        "or set DROVER_REDIS_SERVER, or use --redis redis://…",
    );
  }
  child.unref();
  return child;
}

function settings({ dataDir, socketPath }: RedisProcessOptions): string[] {
  const pairs = {
    port: "0",
    unixsocket: socketPath,
    unixsocketperm: "700",
    dir: dataDir,
    appendonly: "yes",
    appendfsync: "everysec",
    save: "",
    "maxmemory-policy": "noeviction",
    logfile: logPath(dataDir),
    pidfile: pidPath(dataDir),
    daemonize: "no",
  };
  return Object.entries(pairs).flatMap(([name, value]) => [`--${name}`, value]);
}

async function putAsideLog(path: string): Promise<void> {
  const bytes = await stat(path).then(
    (stats) => stats.size,
    () => 0,
  );
  if (bytes > logBytesMax) await rename(path, `${path}.1`);
}

/**
 * What redis-check-aof prints of an append-only file. It is the same program as redis-server, under
 * another name. Empty: it cannot be run.
 */
export function checkAof(binary: string, manifest: string): Promise<string> {
  return new Promise((done) => {
    const tool = spawn(binary, [manifest], { argv0: "redis-check-aof", stdio: ["ignore", "pipe", "ignore"] });
    let output = "";
    tool.stdout.on("data", (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-outputCharsMax);
    });
    tool.once("error", () => done(""));
    tool.once("close", () => done(output));
  });
}
