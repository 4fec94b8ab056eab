// A private redis-server starts although a power cut ruined the end of its append-only file.
import { appendFile, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { pino } from "pino";
import { afterEach, beforeEach, expect, test } from "vitest";
import { realClock } from "../../src/clock/real.ts";
import { type PrivateRedis, startPrivateRedis } from "../../src/store/private-redis.ts";

let dir: string;
let dataDir: string;
let file: string;
const lines: string[] = [];
const log = pino({ level: "warn" }, { write: (line: string) => void lines.push(line) });
const start = () => startPrivateRedis({ dataDir, socketPath: join(dir, "s"), clock: realClock, log });

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "drover aof-"));
  dataDir = join(dir, "redis");
  lines.length = 0;
  const server = await start();
  await ask(server, (redis) => redis.set("kept", "yes"));
  await server.close();
  const folder = join(dataDir, "appendonlydir");
  file = join(folder, (await readdir(folder)).find((name) => name.endsWith(".incr.aof")) ?? "");
});
afterEach(() => rm(dir, { recursive: true }));

async function ask<T>(server: PrivateRedis, question: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis({ path: server.socketPath });
  try {
    return await question(redis);
  } finally {
    redis.disconnect();
  }
}

const noise = Buffer.from(Array.from({ length: 300 }, (_, i) => (i * 7 + 13) % 251));
test.each([
  ["zeros", Buffer.alloc(5_000)],
  ["noise", noise],
  ["half a command and noise", Buffer.concat([Buffer.from("*3\r\n$3\r\nSET\r\n$1\r\na\r\n"), noise])],
])("%s at the end are cut off, said, and kept in a copy", async (_, tail) => {
  const { size } = await stat(file);
  await appendFile(file, tail);
  const server = await start();
  try {
    expect(await ask(server, (redis) => redis.get("kept"))).toBe("yes");
    const { lostBytes, copy } = JSON.parse(lines[0] ?? "{}") as { lostBytes: number; copy: string };
    expect(lostBytes).toBe(tail.length);
    expect((await readFile(copy)).length).toBe(size + tail.length);
  } finally {
    await server.close();
  }
});

test("a base that is damaged is refused with its path and the command, and left as it is", async () => {
  const base = file.replace(".incr.aof", ".base.rdb");
  await writeFile(base, "ruined");
  const manifest = join(dataDir, "appendonlydir", "appendonly.aof.manifest");
  await expect(start()).rejects.toThrow(`redis-check-aof --fix ${manifest}`);
  await expect(start()).rejects.toThrow(base);
  expect(await readFile(base, "utf8")).toBe("ruined");
});

test("a long damaged end is not cut without an operator", async () => {
  const { size } = await stat(file);
  await appendFile(file, Buffer.alloc(17 << 20));
  await expect(start()).rejects.toThrow(`from byte ${size} of ${size + (17 << 20)}`);
  expect((await stat(file)).size).toBe(size + (17 << 20));
});
