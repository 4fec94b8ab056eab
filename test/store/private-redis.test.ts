import { spawn } from "node:child_process";
import { once } from "node:events";
import { access, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { afterEach, beforeEach, expect, test } from "vitest";
import { realClock } from "../../src/clock/real.ts";
import { silentLog } from "../../src/log/log.ts";
import { type PrivateRedis, type PrivateRedisOptions, startPrivateRedis } from "../../src/store/private-redis.ts";
import { until } from "../kit/until.ts";

let dir: string;
let dataDir: string;
let socketPath: string;
const open: { close(): Promise<void> }[] = [];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "drover private-"));
  dataDir = join(dir, "a", "data");
  socketPath = join(dir, "s");
});
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
  await rm(dir, { recursive: true, force: true });
});

async function start(options: Partial<PrivateRedisOptions> = {}): Promise<PrivateRedis> {
  const server = await startPrivateRedis({ dataDir, socketPath, clock: realClock, log: silentLog, ...options });
  open.push(server);
  return server;
}

async function ask<T>(path: string, question: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis({ path, retryStrategy: () => null });
  redis.on("error", () => {});
  try {
    return await question(redis);
  } finally {
    redis.disconnect();
  }
}

const answers = (path: string) =>
  ask(path, (redis) => redis.ping()).then(
    () => true,
    () => false,
  );

const runs = (pid: number) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

test("the server keeps an append-only file, evicts nothing, and is reached at its socket only", async () => {
  const server = await start();
  const settings = await ask(server.socketPath, async (redis) => {
    const flat = (await redis.config("GET", "appendonly", "appendfsync", "save", "maxmemory-policy", "port")) as string[];
    return Object.fromEntries(Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i], flat[2 * i + 1]]));
  });
  expect(settings).toEqual({ appendonly: "yes", appendfsync: "everysec", save: "", "maxmemory-policy": "noeviction", port: "0" });
});

test("what was written is there after it was stopped and started", async () => {
  const first = await start();
  await ask(socketPath, (redis) => redis.set("k", "v"));
  await first.close();
  const second = await start();
  expect(second.pid).not.toBe(first.pid);
  expect(await ask(socketPath, (redis) => redis.get("k"))).toBe("v");
});

test("closing waits until the server has ended", async () => {
  const server = await start();
  const { pid } = server;
  await server.close();
  expect(runs(pid)).toBe(false);
  expect(await answers(socketPath)).toBe(false);
});

test("a server that was killed is started again at the same socket, with what was written", async () => {
  const server = await start();
  const { pid } = server;
  await ask(socketPath, (redis) => redis.set("k", "v"));
  process.kill(pid, "SIGKILL");
  await until(() => server.pid !== pid);
  expect(await ask(socketPath, (redis) => redis.get("k"))).toBe("v");
});

test("a server whose connection was cut goes on, the same one", async () => {
  const server = await start();
  const { pid } = server;
  const cut = await ask(socketPath, otherClients);
  expect(cut).toHaveLength(1);
  await ask(socketPath, (redis) => redis.call("CLIENT", "KILL", "ID", cut[0] as string));
  await until(async () => (await ask(socketPath, otherClients)).some((id) => id !== cut[0]));
  expect(server.pid).toBe(pid);
  await server.close();
  expect(runs(pid)).toBe(false);
});

async function otherClients(redis: Redis): Promise<string[]> {
  const own = String(await redis.client("ID"));
  const ids = [...((await redis.client("LIST")) as string).matchAll(/^id=(\d+)/gm)].map((match) => match[1] as string);
  return ids.filter((id) => id !== own);
}

async function killedController(): Promise<number> {
  const script = new URL("controller-stand-in.ts", import.meta.url).pathname;
  const controller = spawn(process.execPath, [script, dataDir, socketPath], { stdio: ["pipe", "pipe", "inherit"] });
  const [line] = (await once(controller.stdout, "data")) as [Buffer];
  controller.kill("SIGKILL");
  await once(controller, "exit");
  return Number(line.toString());
}

test("the server of a killed controller is adopted, watched, and stopped with the next one", async () => {
  const pid = await killedController();
  await ask(socketPath, (redis) => redis.set("k", "v"));
  const server = await start();
  expect(server.pid).toBe(pid);
  process.kill(pid, "SIGKILL");
  await until(() => server.pid !== pid);
  expect(await ask(socketPath, (redis) => redis.get("k"))).toBe("v");
});

test("closing stops an adopted server too", async () => {
  const pid = await killedController();
  const server = await start();
  await server.close();
  expect(await answers(socketPath)).toBe(false);
  // A new start would refuse if the former server were still on the folder.
  expect((await start()).pid).not.toBe(pid);
});

test("a socket file and a pidfile that a killed server left are no hindrance", async () => {
  const pid = await killedController();
  process.kill(pid, "SIGKILL");
  await until(async () => !(await answers(socketPath)));
  await access(socketPath);
  expect((await start()).pid).not.toBe(pid);
});

test("a pidfile that names another program is no hindrance", async () => {
  const first = await start();
  await first.close();
  await writeFile(join(dataDir, "redis.pid"), `${process.pid}\n`);
  expect((await start()).pid).not.toBe(process.pid);
});

test("a server of another folder at the socket is refused, by name", async () => {
  await start();
  await expect(start({ dataDir: join(dir, "b") })).rejects.toThrow(/another redis-server \(pid \d+, data in .*\) listens at/);
});

test("a program that is missing is refused with the remedy", async () => {
  await expect(start({ binary: join(dir, "no-redis") })).rejects.toThrow(/redis-server was not found .*apt-get install redis-server/);
});

test("a program that ends at once is refused", async () => {
  await expect(start({ binary: "false" })).rejects.toThrow(/redis-server ended right after its start/);
});

test("a socket path longer than the system allows is refused with the remedy", async () => {
  await expect(start({ socketPath: join(dir, "x".repeat(100)) })).rejects.toThrow(/bytes, the system allows 10\d .*--data/);
});
