import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { LogStream } from "../../gen/drover/v1/controller_service_pb.ts";
import { DeploymentState, ReplicaState } from "../../gen/drover/v1/deployment_pb.ts";
import { ConditionReason, ConditionType, StoreTroubleKind } from "../../gen/drover/v1/facts_pb.ts";
import { conditionsOf, deploymentOf, nowMs, serve } from "./harness.ts";

test("list is a table of all pages, one line each", async () => {
  const asked: string[] = [];
  const run = await serve({
    listDeployments: ({ pageToken }) => {
      asked.push(pageToken);
      return pageToken === ""
        ? { deployments: [deploymentOf("a")], nextPageToken: "more" }
        : { deployments: [deploymentOf("bee", { state: DeploymentState.UPDATING, runningReplicas: 1 })] };
    },
  });
  expect(await run(["list"])).toEqual({
    exitCode: 0,
    stdout: [
      "NAME  STATE     RUNNING  AGE   PROGRAM",
      "a     HEALTHY   2/2      1h1m  /apps/a.ts",
      "bee   UPDATING  1/2      1h1m  /apps/bee.ts",
      "",
    ].join("\n"),
    stderr: "",
  });
  expect(asked).toEqual(["", "more"]);
});

test("an empty list prints nothing that a script would read", async () => {
  const run = await serve({ listDeployments: () => ({}), listReplicas: () => ({}) });
  expect(await run(["list"])).toEqual({ exitCode: 0, stdout: "", stderr: expect.stringContaining("no deployments") });
  expect(await run(["replicas"])).toEqual({ exitCode: 0, stdout: "", stderr: "no replicas\n" });
  expect((await run(["list", "-o", "json"])).stdout).toBe("[]\n");
});

test("JSON is proto JSON by proto field names, zeros included", async () => {
  const run = await serve({
    listDeployments: () => ({ deployments: [deploymentOf("a")] }),
    getDeployment: () => ({ deployment: deploymentOf("a") }),
    listReplicas: () => ({ replicas: [{ replicaId: "a-1", state: ReplicaState.RUNNING }] }),
    getCluster: () => ({ position: 7n }),
  });
  const json = async (...argv: string[]) => JSON.parse((await run([...argv, "-o", "json"])).stdout) as unknown;
  const deployment = {
    uid: "uid-of-a",
    spec: { name: "a", num_replicas: 2, program: { module: { path: "/apps/a.ts" } } },
    status: { state: "DEPLOYMENT_STATE_HEALTHY", running_replicas: 2, ongoing_requests: "0", reconciling: false },
  };
  expect(await json("list")).toMatchObject([deployment]);
  expect(await json("status")).toMatchObject([deployment]);
  expect(await json("get", "a")).toMatchObject(deployment);
  expect(await json("status", "a")).toMatchObject(deployment);
  expect(await json("replicas")).toMatchObject([{ replica_id: "a-1", state: "REPLICA_STATE_RUNNING", pid: "0" }]);
  expect(await json("cluster")).toMatchObject({ position: "7", pending: [] });
});

test("get is YAML that holds the same as its JSON", async () => {
  const run = await serve({ getDeployment: () => ({ deployment: deploymentOf("a", { message: "two\nlines: here" }) }) });
  const yaml = await run(["get", "a"]);
  expect(parse(yaml.stdout)).toEqual(JSON.parse((await run(["get", "a", "-o", "json"])).stdout));
  expect(yaml.stdout).toContain("\nstatus:\n");
});

test("status shows what each deployment waits for, on one line without control characters", async () => {
  const conditions = conditionsOf({ message: "last failure: exit code 1\n\u001b[31mboom\u001b[0m" });
  const run = await serve({
    listDeployments: () => ({ deployments: [deploymentOf("a", { state: DeploymentState.UNHEALTHY, conditions, ongoingRequests: 3n })] }),
  });
  expect((await run(["status"])).stdout).toBe(
    [
      "NAME  STATE      RUNNING  ONGOING  QUEUED  MESSAGE",
      "a     UNHEALTHY  2/2      3        0       last failure: exit code 1 …",
      "",
    ].join("\n"),
  );
});

test("status says that the controller cannot act, and why, and shows what it knew last", async () => {
  const run = await serve({
    listDeployments: () => ({ deployments: [deploymentOf("a", { state: DeploymentState.HEALTHY })] }),
    getCluster: () => ({ storeTrouble: { kind: StoreTroubleKind.MEMORY_FULL, message: "no memory: add some" } }),
  });
  const { stdout, stderr, exitCode } = await run(["status"]);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: expect.stringContaining("no memory: add some") });
  expect(stdout).toContain("HEALTHY");
  expect((await run(["cluster"])).stderr).toContain("no memory: add some");
});

test("status --watch says what keeps the controller from acting, and when that is over", async () => {
  const over = new AbortController();
  let asked = 0;
  const run = await serve({
    async *watchDeployments() {
      yield { event: { case: "synced", value: {} } };
      await new Promise((done) => over.signal.addEventListener("abort", done));
    },
    getCluster: () => ({ ...(asked++ === 0 && { storeTrouble: { kind: StoreTroubleKind.MEMORY_FULL, message: "no memory: add some" } }) }),
  });
  const printed: string[] = [];
  const onPrint = (text: string) => {
    printed.push(text);
    if (printed.length === 2) over.abort();
  };
  await run(["status", "--watch"], { onPrint });
  expect(printed[0]).toContain("no memory: add some");
  expect(printed[1]).not.toContain("no memory");
});

test("status of one deployment shows what is to be known of it, and since when, and its replicas", async () => {
  const conditions = conditionsOf(
    { type: ConditionType.ROLLOUT_PAUSED, message: "first\nsecond \u001b[31mred\u0007", since: timestampFromMs(nowMs - 180_000) },
    { type: ConditionType.NO_CAPACITY, reason: ConditionReason.BLOCKED_NO_CAPACITY, message: "a-2 waits for CPU" },
    { type: ConditionType.NO_CAPACITY, reason: ConditionReason.WAITING, message: "a-3 waits for CPU" },
  );
  const run = await serve({
    getDeployment: () => ({ deployment: deploymentOf("a", { conditions, configGeneration: 7n }) }),
    listReplicas: ({ deployment }) => ({
      replicas: [{ replicaId: `${deployment}-1`, deployment, state: ReplicaState.STARTING, pid: 42n }],
    }),
  });
  const { stdout, exitCode } = await run(["status", "a"]);
  expect(exitCode).toBe(0);
  expect(stdout).toContain(
    ["\n\nROLLOUT_PAUSED for 3m: first", "second red", "BLOCKED_NO_CAPACITY: a-2 waits for CPU", "NO_CAPACITY: a-3 waits for CPU\n\n"].join(
      "\n",
    ),
  );
  expect(stdout).toMatch(/^NAME .* REVISION +CONFIG +GENERATION\na .* 1 +7 +1\/1\n/);
  expect(stdout).toMatch(/\na-1 +STARTING +0 +- +42 +/);
});

test("replicas leaves out the stopped, unless all are asked for", async () => {
  const run = await serve({
    listReplicas: () => ({
      replicas: [
        {
          replicaId: "a-1",
          state: ReplicaState.RUNNING,
          revision: 2n,
          configGeneration: 3n,
          completedTotal: 12n,
          createTime: { seconds: BigInt(nowMs / 1000 - 90), nanos: 0 },
        },
        { replicaId: "a-2", state: ReplicaState.STOPPED },
        { replicaId: "a-3", state: ReplicaState.FAILED, message: "exit code 3" },
      ],
    }),
  });
  expect((await run(["replicas", "a"])).stdout).toBe(
    [
      "REPLICA  STATE    REVISION  CONFIG  PID  ONGOING  DONE  FAILED  AGE    MESSAGE",
      "a-1      RUNNING  2         3       -    0        12    0       1m30s",
      "a-3      FAILED   0         -       -    0        0     0       -      exit code 3",
      "",
    ].join("\n"),
  );
  expect((await run(["replicas", "a", "--all"])).stdout).toContain("\na-2 ");
  const shown = JSON.parse((await run(["replicas", "a", "-o", "json"])).stdout) as readonly { replica_id: string }[];
  expect(shown.map(({ replica_id }) => replica_id)).toEqual(["a-1", "a-3"]);
});

test("cluster shows the capacity, free resources, the leader, and the replicas that wait", async () => {
  const run = await serve({
    getCluster: () => ({
      capacity: { numCpus: 4, numGpus: 1, memoryBytes: BigInt(8 * 2 ** 30) },
      allocated: { numCpus: 1.3, memoryBytes: BigInt(2 ** 30) },
      pending: [{ replicaId: "a-9", message: "wants 8 CPUs, 2.7 are free" }],
      controllers: [{ controllerId: "c1", leader: true, epoch: 5n }],
    }),
  });
  const { stdout } = await run(["cluster"]);
  expect(stdout).toMatch(/\nCPU +4 +1\.3 +2\.7\n/);
  expect(stdout).toMatch(/\nmemory +8 GiB +1 GiB +7 GiB\n/);
  expect(stdout).toMatch(/\nc1 +yes +5 +-\n/);
  expect(stdout).toContain("a-9  wants 8 CPUs, 2.7 are free\n");
});

test("cluster shows only what is allocated where the engine places replicas and no capacity is known", async () => {
  const run = await serve({ getCluster: () => ({ allocated: { numCpus: 1.3, memoryBytes: BigInt(2 ** 30), custom: { tpu: 2 } } }) });
  const { stdout } = await run(["cluster"]);
  expect(stdout.split("\n\n")[0]?.split("\n")).toEqual([
    "RESOURCE  CAPACITY  ALLOCATED",
    "CPU       -         1.3",
    "GPU       -         0",
    "memory    -         1 GiB",
    "tpu       -         2",
  ]);
});

test("logs are lines with their replica, or JSON lines", async () => {
  const asked: unknown[] = [];
  const run = await serve({
    async *watchLogs({ name, replicaId, tailLines, follow }) {
      asked.push({ name, replicaId, tailLines, follow });
      yield { replicaId: "a-1", stream: LogStream.STDOUT, line: "hello", writeTime: timestampFromMs(nowMs) };
      yield { replicaId: "a-2", stream: LogStream.STDERR, line: "oh" };
    },
  });
  expect(await run(["logs", "a"])).toEqual({ exitCode: 0, stdout: "a-1  hello\na-2  oh\n", stderr: "" });
  expect((await run(["logs", "a", "--timestamps"])).stdout.split("\n").map((line) => line.split(/ +/).slice(0, 2))).toEqual([
    ["2026-01-01T00:00:00.000Z", "a-1"],
    ["-", "a-2"],
    [""],
  ]);
  asked.splice(1);
  const json = (await run(["logs", "a", "--replica", "a-2", "--tail", "0", "--follow", "-o", "json"])).stdout.trimEnd().split("\n");
  expect(json.map((line) => JSON.parse(line) as unknown)).toEqual([
    { replica_id: "a-1", stream: "LOG_STREAM_STDOUT", line: "hello", write_time: "2026-01-01T00:00:00Z" },
    { replica_id: "a-2", stream: "LOG_STREAM_STDERR", line: "oh" },
  ]);
  expect(asked).toEqual([
    { name: "a", replicaId: "", tailLines: undefined, follow: false },
    { name: "a", replicaId: "a-2", tailLines: 0, follow: true },
  ]);
});

test("Ctrl-C ends logs that are followed, with what was printed before", async () => {
  const interrupt = new AbortController();
  const run = await serve({
    async *watchLogs(_, { signal }) {
      yield { replicaId: "a-1", line: "one" };
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    },
  });
  const ended = await run(["logs", "a", "-f"], { interrupted: interrupt.signal, onPrint: () => interrupt.abort() });
  expect(ended).toEqual({ exitCode: 130, stdout: "a-1  one\n", stderr: "" });
});

test("status --watch prints each change once, and ends when the deployment it follows is gone", async () => {
  const run = await serve({
    async *watchDeployments() {
      yield {
        event: {
          case: "deploymentUpdated",
          value: deploymentOf("a", {
            state: DeploymentState.UPDATING,
            conditions: conditionsOf({ message: "starting a-2" }),
            runningReplicas: 1,
            updatedReplicas: 1,
          }),
        },
      };
      yield { event: { case: "synced", value: {} } };
      yield {
        event: {
          case: "deploymentUpdated",
          value: deploymentOf("a", {
            state: DeploymentState.UPDATING,
            conditions: conditionsOf({ message: "starting a-2" }),
            runningReplicas: 1,
            updatedReplicas: 1,
          }),
        },
      };
      yield { event: { case: "deploymentUpdated", value: deploymentOf("a") } };
      yield { event: { case: "deploymentDeleted", value: "a" } };
    },
  });
  const watched = await run(["status", "a", "--watch"]);
  expect(watched.stdout).toBe("a  UPDATING  [#####-----] 1/2 new, 0 old, 1 available  starting a-2\na  HEALTHY  2/2 running\n");
  expect(watched).toMatchObject({ exitCode: 1, stderr: "error: a: was deleted\n" });
  const all = (await run(["status", "--watch", "-o", "json"])).stdout.trimEnd().split("\n");
  expect(all.map((line) => Object.keys(JSON.parse(line) as object)[0])).toEqual(["spec", "spec", "spec", "deployment_deleted"]);
});
