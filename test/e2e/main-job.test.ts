import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DeploymentStateSchema } from "../../gen/drover/v1/deployment_pb.ts";
import { ResourceKind } from "../../gen/drover/v1/facts_pb.ts";
import { Drover, root, run, until } from "./drover.ts";

let drover: Drover;
beforeAll(async () => {
  drover = await Drover.start();
});
afterAll(() => drover.close());

test("a program is deployed, called, scaled, watched and deleted with a client that is not ours", async () => {
  const curl = async (address: string, method: string, request: unknown) => {
    const result = await run("buf", [
      "curl",
      "--protocol",
      "grpc",
      "--http2-prior-knowledge",
      "-d",
      JSON.stringify(request),
      `http://${address}/${method}`,
    ]);
    if (result.code !== 0) throw new Error(result.stderr);
    return JSON.parse(result.stdout || "{}");
  };
  const { api, gateway } = drover.addresses;
  const controller = "drover.v1.ControllerService";
  const program = { module: { path: join(root, "test/e2e/fixtures/program.ts") } };
  const spec = {
    name: "curled",
    version: "1",
    program,
    num_replicas: 2,
    resources: { num_cpus: 0.1 },
    init_args: { who: "me" },
    user_config: { threshold: 0.5 },
  };

  const deployed = await curl(api, `${controller}/Deploy`, { spec });
  expect(deployed.deployment).toMatchObject({
    spec: { numReplicas: 2, maxOngoingRequests: 5 },
    status: { generation: "1", revision: "1", targetReplicas: 2 },
  });
  await drover.settled("curled");
  const echoed = await curl(gateway, "drover.v1.InvokeService/Invoke", {
    deployment: "curled",
    method: "echo",
    json: { a: [1, null, "ü"] },
  });
  expect(echoed.json).toMatchObject({ input: { a: [1, null, "ü"] }, args: { who: "me" }, config: { threshold: 0.5 } });

  await curl(api, `${controller}/Scale`, { name: "curled", num_replicas: 3 });
  await drover.settled("curled");
  const { replicas } = await curl(api, `${controller}/ListReplicas`, { deployment: "curled" });
  expect(replicas.map(({ state }: { state: string }) => state)).toEqual(Array(3).fill("REPLICA_STATE_RUNNING"));
  const { deployment } = await curl(api, `${controller}/GetDeployment`, { name: "curled" });
  expect(deployment.status).toMatchObject({ state: "DEPLOYMENT_STATE_HEALTHY", runningReplicas: 3, updatedReplicas: 3 });
  expect((await curl(api, `${controller}/ListDeployments`, {})).deployments).toHaveLength(1);
  expect((await curl(api, `${controller}/GetCluster`, {})).allocated.numCpus).toBeCloseTo(0.3);
  expect(await curl(api, "grpc.health.v1.Health/Check", {})).toEqual({ status: "SERVING" });
  const scaled = { name: "x", namespace: "y", scalerMetadata: { deployment: "curled" } };
  expect(await curl(api, "externalscaler.ExternalScaler/IsActive", scaled)).toEqual({ result: true });

  await curl(api, `${controller}/DeleteDeployment`, { name: "curled" });
  await until("it is gone", async () => (await drover.controller.listDeployments({})).deployments.length === 0);
  await expect(curl(api, `${controller}/GetDeployment`, { name: "curled" })).rejects.toThrow("not_found");
});

test("a watch sees a deployment come, change and go, in order", async () => {
  const seen: string[] = [];
  const positions: (bigint | undefined)[] = [];
  const watching = (async () => {
    for await (const { event, position } of drover.controller.watchDeployments({ names: ["watched"] })) {
      positions.push(position);
      if (event.case === "synced") seen.push("synced");
      if (event.case === "deploymentUpdated")
        seen.push(`${DeploymentStateSchema.value[event.value.status?.state ?? 0]?.localName} ${event.value.status?.runningReplicas}`);
      if (event.case === "deploymentDeleted") return seen.push("deleted");
    }
    return 0;
  })();
  await until("the watch is synced", () => seen.includes("synced"));
  await drover.deploy("watched");
  await drover.controller.deleteDeployment({ name: "watched" });
  await watching;
  const steps = seen.filter((step, index) => step !== seen[index - 1]);
  expect(steps[0]).toBe("synced");
  expect(steps).toContain("HEALTHY 1");
  expect(steps.at(-1)).toBe("deleted");
  expect(steps.indexOf("UPDATING 0")).toBeLessThan(steps.indexOf("HEALTHY 1"));
  expect(steps.findIndex((step) => step.startsWith("DELETING"))).toBeGreaterThan(steps.indexOf("HEALTHY 1"));
  expect(positions).toEqual(positions.toSorted((a, b) => Number((a ?? 0n) - (b ?? 0n))));

  const resumed: string[] = [];
  for await (const { event } of drover.controller.watchDeployments({ names: ["watched"], resumePosition: positions[0] ?? 0n })) {
    if (event.case === "synced") break;
    resumed.push(event.case ?? "");
  }
  expect(resumed).toHaveLength(seen.length - 1);
});

describe("a deployment's spec", () => {
  test("a request_id returns the first answer again, and belongs to one request", async () => {
    const spec = { name: "once", program: { kind: { case: "command" as const, value: { argv: ["sleep", "60"] } } }, numReplicas: 0 };
    const first = await drover.controller.deploy({ spec, requestId: "r1" });
    const again = await drover.controller.deploy({ spec, requestId: "r1" });
    expect(again).toEqual(first);
    expect(again.deployment?.status?.generation).toBe(1n);
    expect((await drover.controller.deploy({ spec })).deployment?.status?.generation).toBe(2n);
    await expect(drover.controller.deploy({ spec: { ...spec, numReplicas: 1 }, requestId: "r1" })).rejects.toMatchObject({
      reason: "REQUEST_ID_REUSED",
    });
  });

  test("a stale expected_generation is refused, and validate_only changes nothing", async () => {
    const spec = {
      name: "expected",
      version: "1",
      program: { kind: { case: "command" as const, value: { argv: ["sleep", "60"] } } },
      numReplicas: 0,
    };
    await expect(drover.controller.deploy({ spec, expectedGeneration: 3n })).rejects.toMatchObject({ code: "ABORTED", reason: "CONFLICT" });
    await drover.controller.deploy({ spec, expectedGeneration: 0n });
    await expect(drover.controller.deploy({ spec, expectedGeneration: 0n })).rejects.toMatchObject({ reason: "CONFLICT" });
    const would = await drover.controller.deploy({ spec: { ...spec, labels: { a: "b" } }, expectedGeneration: 1n, validateOnly: true });
    expect(would.deployment?.status?.generation).toBe(2n);
    expect((await drover.controller.getDeployment({ name: "expected" })).deployment?.status?.generation).toBe(1n);
  });

  test("an equal spec with a version changes nothing; another program replaces the replicas", async () => {
    await drover.deploy("replaced");
    const [before] = await drover.running("replaced");
    await drover.deploy("replaced");
    expect((await drover.running("replaced")).map(({ replicaId }) => replicaId)).toEqual([before?.replicaId]);
    const after = await drover.deploy("replaced", { version: "2" });
    expect(after.status).toMatchObject({ revision: 2n, updatedReplicas: 1 });
    expect((await drover.running("replaced")).map(({ replicaId }) => replicaId)).not.toContain(before?.replicaId);
  });

  test("lists come in pages", async () => {
    const argv = { kind: { case: "command" as const, value: { argv: ["sleep", "60"] } } };
    for (const letter of "abcde") await drover.controller.deploy({ spec: { name: `page-${letter}`, program: argv, numReplicas: 0 } });
    const names: string[] = [];
    let pageToken = "";
    do {
      const page = await drover.controller.listDeployments({ pageSize: 2, pageToken });
      names.push(...page.deployments.map(({ spec }) => spec?.name ?? ""));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(names).toEqual(names.toSorted());
    expect(names.filter((name) => name.startsWith("page-"))).toHaveLength(5);
    await expect(drover.controller.listDeployments({ pageToken: "nonsense" })).rejects.toMatchObject({ reason: "INVALID_PAGE_TOKEN" });
  });
});

describe("requests", () => {
  test("a typed error of the program reaches the caller, any other as INTERNAL without its text", async () => {
    await drover.deploy("errors");
    await expect(drover.invoke("errors", "refuse", null)).rejects.toMatchObject({ code: "NOT_FOUND", message: "no such user" });
    const failed = await drover.invoke("errors", "fail", null).catch((error: Error) => error);
    expect(failed).toMatchObject({ code: "INTERNAL", reason: "PROGRAM_ERROR" });
    expect(String((failed as Error).message)).not.toContain("secret");
    await expect(drover.invoke("errors", "nothing", null)).rejects.toMatchObject({
      reason: "METHOD_NOT_FOUND",
      message: expect.stringContaining("echo"),
    });
    await expect(drover.invoke("nobody", "echo", null)).rejects.toMatchObject({ reason: "DEPLOYMENT_NOT_FOUND" });
  });

  test("a thousand requests at one replica and a queue of ten: all are answered, the surplus with QUEUE_FULL", async () => {
    await drover.deploy("crowded", { maxOngoingRequests: 1, maxQueuedRequests: 10 });
    const results = await Promise.all(
      Array.from({ length: 1_000 }, () =>
        drover.invoke("crowded", "sleep", 20, { deadlineMs: 60_000 }).then(
          () => "served",
          (error: { reason?: string; facts?: { retryAfterMs?: number } }) =>
            error.facts?.retryAfterMs ? error.reason : "without RetryInfo",
        ),
      ),
    );
    expect(new Set(results)).toEqual(new Set(["served", "QUEUE_FULL"]));
    expect(results.filter((result) => result === "served").length).toBeGreaterThanOrEqual(11);
  });

  test("a client that leaves frees its place", async () => {
    await drover.deploy("left", { maxOngoingRequests: 1 });
    const leave = new AbortController();
    const long = drover.invoke("left", "sleep", 60_000, { signal: leave.signal });
    const [replica] = await drover.running("left");
    await until("the request is in work", async () => (await drover.running("left")).some(({ ongoingRequests }) => ongoingRequests === 1n));
    leave.abort();
    await expect(long).rejects.toMatchObject({ code: "CANCELLED" });
    expect(await drover.invoke("left", "sleep", 1, { deadlineMs: 10_000 })).toBe(Number(replica?.pid));
  });

  test("a deadline ends a request, also a waiting one", async () => {
    await drover.deploy("slow", { maxOngoingRequests: 1 });
    const [replica] = await drover.running("slow");
    // Only the gateway knows the deadline: a client that watches it too would fail by itself at the
    // same moment, without a reason.
    const within = (timeout: string) =>
      drover.invoke("slow", "sleep", 60_000, { metadata: { "grpc-timeout": timeout } }).catch((error: unknown) => error);
    const working = within("5S");
    await until("the request is in work", async () => (await drover.running("slow")).some(({ ongoingRequests }) => ongoingRequests === 1n));
    // The replica watches the deadline, too: stopped, it cannot answer before the gateway does.
    process.kill(Number(replica?.pid), "SIGSTOP");
    expect(await within("200m")).toMatchObject({ code: "DEADLINE_EXCEEDED", reason: "QUEUE_DEADLINE" });
    expect(await working).toMatchObject({ code: "DEADLINE_EXCEEDED", reason: "DEADLINE" });
    process.kill(Number(replica?.pid), "SIGCONT");
  });
});

test("replicas have the threads that they are given: from env_vars, else by their CPUs", async () => {
  await drover.deploy("threads", { resources: { numCpus: 0.5 } });
  await drover.deploy("threads-2", { resources: { numCpus: 2 } });
  await drover.deploy("threads-env", { runtimeEnv: { envVars: { OMP_NUM_THREADS: "7" } } });
  expect(await drover.invoke("threads", "environment", ["OMP_NUM_THREADS", "DROVER_DEPLOYMENT"])).toEqual({
    OMP_NUM_THREADS: "1",
    DROVER_DEPLOYMENT: "threads",
  });
  expect(await drover.invoke("threads-2", "environment", ["OMP_NUM_THREADS"])).toEqual({ OMP_NUM_THREADS: "2" });
  expect(await drover.invoke("threads-env", "environment", ["OMP_NUM_THREADS"])).toEqual({ OMP_NUM_THREADS: "7" });
});

test("a replica that does not fit waits and says for what; when room is made it starts", async () => {
  const drover = await Drover.start();
  const big = { kind: { case: "command" as const, value: { argv: ["sleep", "600"] } } };
  await drover.controller.deploy({ spec: { name: "holder", program: big, resources: { numCpus: 7 } } });
  await until("it holds its CPUs", async () => ((await drover.controller.getCluster({})).allocated?.numCpus ?? 0) >= 7);
  await drover.controller.deploy({
    spec: {
      name: "waiter",
      version: "1",
      program: { kind: { case: "module", value: { path: join(root, "test/e2e/fixtures/program.ts") } } },
      resources: { numCpus: 6 },
    },
  });
  const pending = await until("it waits", async () =>
    (await drover.controller.getCluster({})).pending.find(({ deployment, pendingReason }) => deployment === "waiter" && pendingReason),
  );
  expect(pending.pendingReason?.shortages).toMatchObject([{ resource: ResourceKind.CPU, wanted: 6 }]);
  expect((await drover.cli("status", "waiter")).stdout).toContain("wants 6");
  await drover.controller.deleteDeployment({ name: "holder" });
  expect((await drover.settled("waiter")).status?.runningReplicas).toBe(1);
  await drover.close();
});

test("logs that are followed show replicas that start later, from their first line", async () => {
  await drover.deploy("told");
  const leave = new AbortController();
  const lines: string[] = [];
  const following = (async () => {
    for await (const { line } of drover.controller.watchLogs({ name: "told", follow: true }, { signal: leave.signal })) lines.push(line);
  })().catch((error: unknown) => error);
  await until("the first has spoken", () => lines.length === 1);
  await drover.controller.scale({ name: "told", numReplicas: 2 });
  await drover.settled("told");
  await until("the second has spoken", () => lines.length === 2);
  const pids = (await drover.running("told")).map(({ pid }) => pid);
  expect(lines.toSorted()).toEqual(pids.map((pid) => `program ${pid} is up`).toSorted());
  leave.abort();
  expect(await following).toMatchObject({ code: "CANCELLED" });
});

test("a large result arrives whole through a pipe", async () => {
  await drover.deploy("large");
  const { code, stdout } = await drover.cli("invoke", "large", "text", "2000000");
  expect({ code, length: stdout.trim().length }).toEqual({ code: 0, length: 2_000_002 });
});

test("health and metrics are served over HTTP", async () => {
  const { http } = drover.addresses;
  expect((await fetch(`http://${http}/healthz`)).status).toBe(200);
  await drover.deploy("measured");
  const metrics = await (await fetch(`http://${http}/metrics`)).text();
  expect(metrics).toContain('drover_deployment_running_replicas{deployment="measured"} 1');
});

test("the private Redis keeps what was asked on disk, in the data folder", async () => {
  const manifest = await readFile(join(drover.dataDir, "redis/appendonlydir/appendonly.aof.manifest"), "utf8");
  expect(manifest).toContain("appendonly.aof");
});
