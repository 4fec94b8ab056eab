// Redis that loses everything, refuses, or is used by two: with real controllers and replicas.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { afterEach, expect, test } from "vitest";
import { ConditionType, StoreTroubleKind } from "../../gen/drover/v1/facts_pb.ts";
import { startTestRedis, type TestRedis } from "../store/redis-fixture.ts";
import { conditionOf } from "./conditions.ts";
import { alive, Drover, mainPath, run, startArgs, until } from "./drover.ts";

const opened: { close(): Promise<unknown> }[] = [];
async function start(args: readonly string[] = [], dataDir?: string): Promise<Drover> {
  const drover = await Drover.start(args, dataDir);
  opened.push(drover);
  return drover;
}
async function ownRedis(): Promise<TestRedis & { readonly raw: Redis; readonly args: readonly string[] }> {
  const redis = await startTestRedis();
  opened.push(redis);
  const raw = new Redis({ path: redis.server.socketPath });
  raw.on("error", () => {});
  opened.push({ close: async () => raw.disconnect() });
  return { ...redis, server: redis.server, raw, args: ["--redis", `unix:${redis.server.socketPath}`] };
}
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
});

const pidsOf = async (drover: Drover, name: string) => (await drover.running(name)).map(({ pid }) => pid).sort();

test("a Redis that loses everything is filled again: the same processes, the same answers, and a watch goes on", async () => {
  const { raw, args } = await ownRedis();
  const drover = await start(args);
  await drover.deploy("kept", { numReplicas: 2 });
  const before = await pidsOf(drover, "kept");
  const scale = () => drover.controller.scale({ name: "kept", numReplicas: 2, requestId: "once" });
  const first = await scale();
  const leaderOf = async () => (await drover.controller.getCluster({})).controllers.find(({ leader }) => leader);
  const epoch = (await leaderOf())?.epoch ?? 0n;
  const end = new AbortController();
  const seen: string[] = [];
  const watching = (async () => {
    for await (const { event } of drover.controller.watchDeployments({}, { signal: end.signal })) seen.push(event.case ?? "");
  })().catch((error: { code?: string }) => error.code);
  await until("the watch is there", () => seen.includes("synced"));
  await raw.flushall();
  await until("it is filled", async () => ((await leaderOf())?.epoch ?? 0n) > epoch);
  expect(await scale()).toEqual(first);
  await drover.controller.scale({ name: "kept", numReplicas: 3 });
  await drover.settled("kept");
  expect(await pidsOf(drover, "kept")).toEqual(expect.arrayContaining(before));
  expect(before.every((pid) => alive(pid))).toBe(true);
  end.abort();
  expect(await watching).toBe("CANCELLED");
});

test("a controller that starts after Redis and memory were lost goes on with its snapshot, and adopts what runs", async () => {
  const first = await start();
  await first.deploy("restored", { numReplicas: 2 });
  const before = await pidsOf(first, "restored");
  const { dataDir } = first;
  await until("the snapshot has it", async () => {
    const text = await readFile(join(dataDir, "snapshot.jsonl"), "utf8").catch(() => "");
    return text.split('"state":"RUNNING"').length - 1 === 2;
  });
  const redisPid = Number(await readFile(join(dataDir, "redis", "redis.pid"), "utf8"));
  await first.end("SIGKILL");
  process.kill(redisPid, "SIGKILL");
  await until("Redis is gone", () => !alive(redisPid));
  await rm(join(dataDir, "redis"), { recursive: true });
  const second = await start([], dataDir);
  await second.settled("restored");
  expect(await pidsOf(second, "restored")).toEqual(before);
  expect(await second.invoke("restored", "echo", 1)).toMatchObject({ input: 1 });
  const { stderr } = await second.end();
  expect(stderr).toContain(join(dataDir, "snapshot.jsonl"));
});

test("while Redis takes no writes, status, health and metrics say why, requests go on, and it goes on by itself", async () => {
  const { raw, args } = await ownRedis();
  const drover = await start(args);
  await drover.deploy("served");
  await raw.config("SET", "maxmemory", "1");
  await until("it is noticed", async () => (await drover.controller.getCluster({})).storeTrouble?.kind === StoreTroubleKind.MEMORY_FULL);
  expect(await drover.controller.scale({ name: "served", numReplicas: 2 }).catch((error: unknown) => error)).toMatchObject({
    reason: "STORE_UNAVAILABLE",
    message: expect.stringContaining("OOM"),
  });
  expect(await drover.invoke("served", "echo", 1)).toMatchObject({ input: 1 });
  const status = await drover.cli("status");
  expect(status).toMatchObject({ code: 0, stdout: expect.stringContaining("served"), stderr: expect.stringContaining("OOM") });
  const health = await fetch(`http://${drover.addresses.http}/healthz`);
  expect([health.status, await health.text()]).toEqual([200, expect.stringContaining("OOM")]);
  await raw.config("SET", "maxmemory", "0");
  await until("it is over", async () => (await drover.controller.getCluster({})).storeTrouble === undefined);
  await drover.controller.scale({ name: "served", numReplicas: 2 });
  expect((await drover.settled("served")).status?.runningReplicas).toBe(2);
});

test("a second controller on the same Redis is refused and names the first; one on the same folder is not", async () => {
  const { args } = await ownRedis();
  const first = await start(args);
  await first.deploy("mine");
  const other = await mkdtemp(join(tmpdir(), "drover-e2e-"));
  opened.push({ close: () => rm(other, { recursive: true, force: true }) });
  const refused = await run(process.execPath, [mainPath, ...startArgs(other), ...args]);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain(`pid ${first.process.pid}`);
  expect(refused.stderr).toContain(first.dataDir);
  const before = await pidsOf(first, "mine");
  await first.end("SIGKILL");
  // Killed a moment ago: it may be started again by its service manager.
  expect((await run(process.execPath, [mainPath, ...startArgs(other), ...args])).code).toBe(1);
  const again = await start(args, first.dataDir);
  await again.settled("mine");
  expect(await pidsOf(again, "mine")).toEqual(before);
  await again.end();
  const successor = await start(args, other);
  expect((await successor.controller.getDeployment({ name: "mine" })).deployment?.spec?.name).toBe("mine");
});

test("replicas of a controller that is gone for good are not taken for dead, until an operator says so", async () => {
  const { raw, args } = await ownRedis();
  const first = await start(args);
  await first.deploy("left");
  const [before] = await first.running("left");
  await first.end("SIGKILL");
  await raw.del("{drover}:claim"); // as if it had run out
  const other = await mkdtemp(join(tmpdir(), "drover-e2e-"));
  opened.push({ close: () => rm(other, { recursive: true, force: true }) });
  const second = await start(args, other);
  await until("it leads", async () => (await second.controller.getCluster({})).controllers.some(({ leader }) => leader));
  const { stderr } = await second.cli("status");
  expect(stderr).toContain(`--forget-node ${before?.node}`);
  expect(await pidsOf(second, "left")).not.toContain(before?.pid);
  const { replicas } = await second.controller.listReplicas({ deployment: "left" });
  expect(replicas.find(({ replicaId }) => replicaId === before?.replicaId)?.failure).toBeUndefined();
  expect(alive(before?.pid ?? 0n)).toBe(true);
  const { status } = (await second.controller.getDeployment({ name: "left" })).deployment ?? {};
  expect(conditionOf(status, ConditionType.REPLICAS_UNSEEN)).toMatchObject({ node: before?.node, replicaId: before?.replicaId });
  await second.end("SIGKILL");
  const third = await start([...args, "--forget-node", before?.node ?? ""], other);
  await until("another one runs", async () => (await third.running("left")).some(({ node }) => node !== before?.node));
  expect((await third.controller.getCluster({})).unseenNodes).toEqual([]);
  process.kill(Number(before?.pid), "SIGKILL");
});
