// What is wrong with a Redis is told by name while it lasts, and not afterwards.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { Redis } from "ioredis";
import { pino } from "pino";
import { afterEach, beforeEach, expect, onTestFinished, test } from "vitest";
import type { StoreTroubleKind } from "../../src/core/store-trouble.ts";
import type { Store } from "../../src/store/store.ts";
import { until } from "../kit/until.ts";
import { startTestRedis, type TestRedis } from "./redis-fixture.ts";

let redis: TestRedis;
let raw: Redis;
let store: Store;
const lines: string[] = [];
beforeEach(async () => {
  redis = await startTestRedis();
  raw = new Redis({ path: redis.server.socketPath });
  raw.on("error", () => {});
  lines.length = 0;
  const log = pino({ level: "info" }, { write: (line: string) => void lines.push(line) });
  store = await redis.store("{troubles}:", { log });
});
afterEach(async () => {
  raw.disconnect();
  await redis.close();
});

const write = () => store.acquireLease("me", 60_000);

/** A write fails for this reason; `end` ends it, and the next write succeeds. */
async function lasts(kind: StoreTroubleKind, end: () => Promise<unknown>): Promise<void> {
  await expect(write()).rejects.toMatchObject({ reason: "STORE_UNAVAILABLE", facts: { metadata: { store: kind } } });
  expect(store.trouble?.kind).toBe(kind);
  await end();
  await until(() =>
    write().then(
      () => true,
      () => false,
    ),
  );
  expect(store.trouble).toBeUndefined();
  const told = lines.map((line) => (JSON.parse(line) as { trouble?: string }).trouble).filter((one) => one !== undefined);
  expect(told.at(-1)).toBe(kind);
  expect(told.filter((one) => one === kind)).toHaveLength(1);
}

test("a disk that cannot be written (MISCONF), which ends by itself when it can", async () => {
  const inTheWay = join(redis.dir, "data", "dump.rdb");
  await mkdir(inTheWay);
  await raw.config("SET", "save", "3600 1");
  await raw.set("{other}:", "changed");
  await raw.bgsave();
  await until(async () => (await raw.info("persistence")).includes("rdb_last_bgsave_status:err"));
  expect(await store.position()).toBe(0);
  await lasts("diskFailing", async () => {
    expect(await store.position()).toBe(0);
    expect(store.trouble?.kind).toBe("diskFailing"); // a read says nothing of the disk
    await rm(inTheWay, { recursive: true });
    await until(async () => {
      await raw.bgsave().catch(() => {});
      return (await raw.info("persistence")).includes("rdb_last_bgsave_status:ok");
    });
  });
});

test("no memory (OOM)", async () => {
  await raw.config("SET", "maxmemory", "1");
  await lasts("memoryFull", () => raw.config("SET", "maxmemory", "0"));
});

test("a primary that became a replica (READONLY)", async () => {
  await raw.replicaof("127.0.0.1", 1);
  await lasts("readOnly", () => raw.replicaof("NO", "ONE"));
});

test("a password that was set while it ran (NOAUTH)", async () => {
  await raw.config("SET", "requirepass", "secret");
  await raw.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
  await until(() =>
    write().then(
      () => false,
      (error: { facts: { metadata: { store: string } } }) => error.facts.metadata.store !== "away",
    ),
  );
  await lasts("passwordMissing", () => raw.config("SET", "requirepass", ""));
});

test("a user whose commands were taken away (NOPERM)", async () => {
  await raw.acl("SETUSER", "other", "on", "nopass", "~*", "+@all");
  const own = new Redis({ path: redis.server.socketPath, username: "other", password: "x" });
  await own.ping();
  await own.acl("SETUSER", "default", "-@scripting");
  await lasts("notPermitted", () => own.acl("SETUSER", "default", "+@all"));
  own.disconnect();
});

test("a Redis that still loads its data (LOADING)", async () => {
  // While it loads, Redis answers after each 1,024 commands.
  const filler = raw.pipeline();
  for (let i = 0; i < 5_000; i++) filler.set(`{filler}:${i}`, "x");
  await filler.exec();
  await redis.server.close();
  const slowly = ["--key-load-delay", "500"];
  const server = spawn("redis-server", [
    "--port",
    "0",
    "--unixsocket",
    redis.server.socketPath,
    "--dir",
    join(redis.dir, "data"),
    ...slowly,
    "--appendonly",
    "yes",
  ]);
  onTestFinished(async () => {
    server.kill("SIGKILL");
    await once(server, "exit");
  });
  await until(() =>
    write()
      .catch(() => {})
      .then(() => store.trouble?.kind === "loading"),
  );
  await until(() =>
    write().then(
      () => true,
      () => false,
    ),
  );
  expect(store.trouble).toBeUndefined();
});
