import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { ReplicaFailureKind } from "../../gen/drover/v1/facts_pb.ts";
import { InvokeService } from "../../gen/drover/v1/invoke_service_pb.ts";
import { Channel } from "../../src/rpc/channel.ts";
import { jsonToValue } from "../../src/rpc/json-value.ts";
import { startTestRedis } from "../store/redis-fixture.ts";
import { alive, Drover, mainPath, run, startArgs, until } from "./drover.ts";

const opened: Drover[] = [];
async function start(args: readonly string[] = [], dataDir?: string): Promise<Drover> {
  const drover = await Drover.start(args, dataDir);
  opened.push(drover);
  return drover;
}
afterEach(async () => {
  for (const drover of opened.splice(0)) await drover.close();
});

/** Sends requests from several clients until stopped; counts how they ended. */
function load(drover: Drover, name: string) {
  const ended = new Map<string, number>();
  let going = true;
  const client = async () => {
    while (going) {
      const how = await drover.invoke(name, "echo", 1, { deadlineMs: 30_000 }).then(
        () => "ok",
        (error: { code?: string }) => error.code ?? "unknown",
      );
      ended.set(how, (ended.get(how) ?? 0) + 1);
    }
  };
  const clients = Array.from({ length: 8 }, client);
  return {
    count: (how: string) => ended.get(how) ?? 0,
    async stop() {
      going = false;
      await Promise.all(clients);
      return ended;
    },
  };
}

test("a replica killed under load costs at most the requests it had, which clients may retry, and comes back", async () => {
  const drover = await start();
  await drover.deploy("killed", { numReplicas: 3 });
  const requests = load(drover, "killed");
  await until("requests flow", () => requests.count("ok") > 100);
  const [victim] = await drover.running("killed");
  process.kill(Number(victim?.pid), "SIGKILL");
  await until("another one runs in its place", async () => {
    const running = await drover.running("killed");
    return running.length === 3 && running.every(({ replicaId }) => replicaId !== victim?.replicaId);
  });
  const ended = await requests.stop();
  expect([...ended.keys()].filter((how) => how !== "ok" && how !== "UNAVAILABLE")).toEqual([]);
  expect(ended.get("UNAVAILABLE") ?? 0).toBeLessThanOrEqual(5);
});

test("scaling up and down under load fails no request", async () => {
  const drover = await start();
  await drover.deploy("scaled", { numReplicas: 2 });
  const requests = load(drover, "scaled");
  for (const numReplicas of [4, 1, 3, 2]) {
    await drover.controller.scale({ name: "scaled", numReplicas });
    await drover.settled("scaled");
  }
  const ended = await requests.stop();
  expect([...ended.keys()]).toEqual(["ok"]);
});

test("replacing all replicas under load and going back fails no request", async () => {
  const drover = await start();
  await drover.deploy("replaced", { numReplicas: 4 });
  const requests = load(drover, "replaced");
  await until("requests flow", () => requests.count("ok") > 100);
  await drover.deploy("replaced", { numReplicas: 4, version: "2" });
  await drover.controller.rollback({ name: "replaced" });
  const back = await drover.settled("replaced");
  expect(back).toMatchObject({ spec: { version: "1" }, status: { revision: 1n, generation: 3n, updatedReplicas: 4 } });
  const ended = await requests.stop();
  expect([...ended.keys()]).toEqual(["ok"]);
});

test("replicas outlive a killed controller, and the next one adopts them: the same processes, no double", async () => {
  const first = await start();
  await first.deploy("adopted", { numReplicas: 2 });
  const before = await first.running("adopted");
  await first.end("SIGKILL");
  expect(before.every(({ pid }) => alive(pid))).toBe(true);
  const second = await start([], first.dataDir);
  expect(await second.invoke("adopted", "echo", 1)).toMatchObject({ input: 1 });
  await second.controller.scale({ name: "adopted", numReplicas: 3 });
  await second.settled("adopted");
  const after = await second.running("adopted");
  expect(after.map(({ pid }) => pid)).toEqual(expect.arrayContaining(before.map(({ pid }) => pid)));
  expect(after).toHaveLength(3);
  await second.end();
  await until("all processes are gone", () => !after.some(({ pid }) => alive(pid)));
});

test("a controller that cannot start leaves the replicas of the one before as they are", async () => {
  const first = await start();
  await first.deploy("spared", { numReplicas: 2 });
  const before = await first.running("spared");
  await first.end("SIGKILL");
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  const { port } = taken.address() as AddressInfo;
  const failed = await run(process.execPath, [mainPath, ...startArgs(first.dataDir), "--http", `127.0.0.1:${port}`]);
  taken.close();
  expect(failed).toMatchObject({ code: 1, stderr: expect.stringContaining(String(port)) });
  expect(before.every(({ pid }) => alive(pid))).toBe(true);
  const second = await start([], first.dataDir);
  await second.settled("spared");
  expect((await second.running("spared")).map(({ pid }) => pid).sort()).toEqual(before.map(({ pid }) => pid).sort());
  await second.end();
});

test("a request at a draining replica succeeds although the controller is killed and started again", async () => {
  const first = await start();
  await first.deploy("drained", { gracefulShutdownTimeout: { seconds: 60n } });
  const [replica] = await first.running("drained");
  const channel = new Channel(replica?.address ?? "");
  // Longer than from one load report to the next: what does not come by the gateway is not seen
  // sooner.
  const input = { case: "json" as const, value: jsonToValue(25_000) };
  const answer = channel.client(InvokeService).invoke({ method: "sleep", input });
  await until("the request is in work", async () => (await first.running("drained")).some(({ ongoingRequests }) => ongoingRequests === 1n));
  await first.controller.scale({ name: "drained", numReplicas: 0 });
  await until("it drains", async () => (await first.running("drained")).length === 0);
  await first.end("SIGKILL");
  const second = await start([], first.dataDir);
  expect((await answer).output.case).toBe("json");
  await until("its process ends", () => !alive(replica?.pid ?? 0n));
  channel.close();
  await second.end();
});

test("a controller that ends normally stops its replicas and its Redis, unless it is to keep the replicas", async () => {
  const first = await start(["--keep-replicas"]);
  await first.deploy("kept", { numReplicas: 2 });
  const kept = await first.running("kept");
  expect((await first.end()).code).toBe(0);
  expect(kept.every(({ pid }) => alive(pid))).toBe(true);
  const second = await start([], first.dataDir);
  await second.settled("kept");
  expect((await second.running("kept")).map(({ pid }) => pid).sort()).toEqual(kept.map(({ pid }) => pid).sort());
  expect((await second.end()).code).toBe(0);
  await until("all processes are gone", () => !kept.some(({ pid }) => alive(pid)));
  const third = await start([], first.dataDir);
  await third.settled("kept");
  expect(await third.running("kept")).toHaveLength(2);
});

const healthCheck = { period: { nanos: 100_000_000 }, timeout: { nanos: 300_000_000 }, failureThreshold: 3 };

test("a replica that reports itself unhealthy, and one that does not answer, are replaced", async () => {
  const drover = await start();
  await drover.deploy("ill", { numReplicas: 2, healthCheck, gracefulShutdownTimeout: { seconds: 1n } });
  const ill = await drover.invoke("ill", "fallIll", null);
  await until("it is replaced", async () => {
    const running = await drover.running("ill");
    return running.length === 2 && running.every(({ pid }) => Number(pid) !== ill);
  });
  const [hung] = await drover.running("ill");
  process.kill(Number(hung?.pid), "SIGSTOP");
  await until("the hung one is replaced, and its process ended", async () => {
    const running = await drover.running("ill");
    return running.length === 2 && running.every(({ pid }) => pid !== hung?.pid) && !alive(hung?.pid ?? 0n);
  });
  const { replicas } = await drover.controller.listReplicas({ deployment: "ill" });
  const { failure } = replicas.find(({ replicaId }) => replicaId === hung?.replicaId) ?? {};
  expect(failure).toMatchObject({ kind: ReplicaFailureKind.UNHEALTHY, failedChecks: 3 });
});

test("while Redis is away requests go on and writes say so; when it is back, writes go on", async () => {
  const redis = await startTestRedis();
  try {
    const drover = await start(["--redis", `unix:${redis.server.socketPath}`]);
    await drover.deploy("steady", { numReplicas: 2 });
    const running = await drover.running("steady");
    process.kill(redis.server.pid, "SIGSTOP");
    const refused = await drover.controller.scale({ name: "steady", numReplicas: 3 }).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: "UNAVAILABLE", reason: "STORE_UNAVAILABLE" });
    expect(await drover.invoke("steady", "echo", 1)).toMatchObject({ input: 1 });
    expect(running.every(({ pid }) => alive(pid))).toBe(true);
    process.kill(redis.server.pid, "SIGCONT");
    await until("writes go on", () =>
      drover.controller.scale({ name: "steady", numReplicas: 3 }).then(
        () => true,
        () => false,
      ),
    );
    await drover.settled("steady");
    expect((await drover.running("steady")).map(({ pid }) => pid)).toEqual(expect.arrayContaining(running.map(({ pid }) => pid)));
    await drover.end();
  } finally {
    await redis.close();
  }
});

test("the private Redis is started again when it dies, with nothing lost", async () => {
  const drover = await start();
  await drover.deploy("survivor");
  const { stdout } = await run("pgrep", ["-f", drover.addresses.redis.replace("unix:", "")]);
  const pids = stdout
    .trim()
    .split("\n")
    .map(Number)
    .filter((pid) => pid > 0 && pid !== drover.addresses.pid);
  expect(pids.length).toBeGreaterThan(0);
  for (const pid of pids) process.kill(pid, "SIGKILL");
  await until("writes go on", () =>
    drover.controller.scale({ name: "survivor", numReplicas: 2 }).then(
      () => true,
      () => false,
    ),
  );
  expect((await drover.settled("survivor")).status?.runningReplicas).toBe(2);
});

test("a second controller on the same data folder is refused, and the first goes on", async () => {
  const drover = await start();
  const second = await run(process.execPath, [mainPath, ...startArgs(drover.dataDir)]);
  expect(second.code).toBe(1);
  expect(second.stderr).toContain("--data");
  expect((await drover.controller.getCluster({})).controllers).toHaveLength(1);
});

test("an address that is not loopback is refused without --insecure", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "drover-e2e-"));
  const result = await run(process.execPath, [mainPath, "start", "--api", "0.0.0.0:0", "--gateway", "192.0.2.1:9000", "--data", dataDir]);
  expect(result.code).toBe(2);
  expect(result.stderr).toContain("--insecure");
  expect(result.stderr).toContain("192.0.2.1:9000");
  await rm(dataDir, { recursive: true });
});
