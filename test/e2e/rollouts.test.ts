// Goal: a rollout does what its policy says, with real processes and a real Redis; above all when
// it cannot go on. Method: what is counted or told by the controller itself (replicas,
// WatchDeployments, decisions) is compared with what was there before; where nothing may happen,
// another deployment is rolled out meanwhile, and with it the controller has looked at everything
// many times.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import { afterEach, expect, test } from "vitest";
import { Effect } from "../../gen/drover/v1/controller_service_pb.ts";
import {
  type DeploymentStatus,
  DeploymentState as State,
  DeploymentStateSchema as StateSchema,
  RolloutStrategy as Strategy,
} from "../../gen/drover/v1/deployment_pb.ts";
import { ConditionReason, ConditionType, PendingKind, ResourceKind } from "../../gen/drover/v1/facts_pb.ts";
import { conditionOf, lastFailureOf } from "./conditions.ts";
import { Drover, type Finished, fixturePath, run, until } from "./drover.ts";

interface Closable {
  close(): Promise<void>;
}
const opened: Closable[] = [];
/** The last opened is closed first, also where a test has failed. */
function closing<T extends Closable>(thing: T): T {
  opened.push(thing);
  return thing;
}
afterEach(async () => {
  for (const thing of opened.splice(0).reverse()) await thing.close();
});
const start = async (args?: readonly string[], dataDir?: string) => closing(await Drover.start(args, dataDir));

/** Gives up soon: the second failed start in a row is one too many. */
const rollout = { maxStartFailures: 2 };
const modulePath = (name: string) => ({ kind: { case: "module" as const, value: { path: fixturePath(name) } } });

/** Writes what a user would: a file with this spec. Gives its path. */
async function specFile({ dataDir }: Drover, file: string, spec: Record<string, unknown>): Promise<string> {
  const path = join(dataDir, file);
  await writeFile(path, JSON.stringify({ resources: { num_cpus: 0.01 }, rollout: { max_start_failures: 2 }, ...spec }));
  return path;
}
const module = (name: string) => ({ module: { path: fixturePath(name) } });

async function statusOf({ controller }: Drover, name: string): Promise<DeploymentStatus | undefined> {
  return (await controller.getDeployment({ name })).deployment?.status;
}

/** The processes that serve, lowest first. */
async function pidsOf(drover: Drover, name: string): Promise<readonly bigint[]> {
  return (await drover.running(name)).map(({ pid }) => pid).toSorted((a, b) => Number(a - b));
}

/** The newest first. */
async function decisionsOf({ controller }: Drover, name: string) {
  return (await controller.listDecisions({ name, pageSize: 1_000 })).decisions;
}

/**
 * Makes, changes and remakes another deployment: the controller plans all deployments at each
 * change.
 */
async function lookMeanwhile(drover: Drover): Promise<void> {
  for (const version of ["1", "2"])
    expect(await drover.deploy("meanwhile", { version })).toMatchObject({ status: { state: State.HEALTHY } });
}

/** All that WatchDeployments reports of one deployment, from now on. */
async function watch({ controller }: Drover, name: string) {
  const told: DeploymentStatus[] = [];
  const leave = new AbortController();
  let synced = false;
  const ended = (async () => {
    for await (const { event } of controller.watchDeployments({ names: [name] }, { signal: leave.signal })) {
      if (event.case === "synced") synced = true;
      if (event.case === "deploymentUpdated" && event.value.status) told.push(event.value.status);
    }
  })().catch((error: unknown) => {
    if (!leave.signal.aborted) throw error;
  });
  await until("the watch is synced", () => synced);
  return closing({
    told,
    async close() {
      leave.abort();
      await ended;
    },
  });
}

const healthyAt = (generation: bigint) => (status: DeploymentStatus | undefined) =>
  status?.state === State.HEALTHY && status.generation === generation && !status.reconciling;

const msOf = (time: Timestamp | undefined) => (time ? timestampMs(time) : Number.NaN);

/** Without repetitions in a row. */
function steps<T>(values: readonly T[]): readonly T[] {
  return values.filter((value, index) => value !== values[index - 1]);
}

test("a revision that does not start goes back by itself to the healthy revision, whose replicas are not affected", async () => {
  const drover = await start();
  const good = await specFile(drover, "good.json", { name: "back", version: "good", program: module("program.ts"), num_replicas: 2 });
  const bad = await specFile(drover, "bad.json", { name: "back", version: "bad", program: module("prints.ts"), num_replicas: 2 });
  expect(await drover.cli("deploy", good)).toMatchObject({ code: 0, stdout: expect.stringContaining("HEALTHY") });
  const pids = await pidsOf(drover, "back");
  expect(pids).toHaveLength(2);

  const failed = await drover.cli("deploy", bad);
  expect(failed.code).toBe(1);
  const words = ["DEPLOY_FAILED", "2 failed starts in a row", "the last line", "after a megabyte"];
  for (const word of words) expect(failed.stderr).toContain(word);
  const { spec, status } = await drover.settled("back");
  expect(spec).toMatchObject({ version: "good", program: { kind: { value: { path: "program.ts" } } } });
  // Generation 1 is the good file's, 2 the bad one's.
  expect(status).toMatchObject({ state: State.DEPLOY_FAILED, generation: 3n, revision: 1n, runningReplicas: 2, updatedReplicas: 2 });
  const rolledBack = conditionOf(status, ConditionType.ROLLED_BACK);
  expect(rolledBack).toMatchObject({ reason: ConditionReason.FAILED_STARTS, revision: 2n, toRevision: 1n });
  expect(rolledBack?.rolloutFailure).toMatchObject({ failedStarts: 2, lastFailure: { revision: 2n } });
  const lastLines = lastFailureOf(status)?.failure?.lastLines.join("\n");
  for (const word of words.slice(2)) expect(lastLines).toContain(word);
  expect(await pidsOf(drover, "back")).toEqual(pids);

  expect((await drover.cli("deploy", good)).code).toBe(0);
  const cleared = await drover.settled("back");
  expect(cleared.status).toMatchObject({ state: State.HEALTHY, conditions: [], generation: 3n, revision: 1n });
  expect(await pidsOf(drover, "back")).toEqual(pids);
});

/**
 * Its first start fails; later starts wait until the test writes into its FIFO, then fail. Each is
 * noted.
 */
const failsWhenTold = (folder: string) =>
  `echo started >>${folder}/starts; mkfifo ${folder}/gate 2>/dev/null || read -r told <${folder}/gate; echo broken on start >&2; exit 3`;

test.each(["before the next one is there", "under the next one"])(
  "failed starts are counted on over the death of a controller: one before it, one %s",
  async (when) => {
    const first = await start();
    await first.deploy("counted", { rollout, numReplicas: 2 });
    const pids = await pidsOf(first, "counted");
    const { dataDir } = first;
    const program = { kind: { case: "command" as const, value: { argv: ["sh", "-c", failsWhenTold(dataDir)] } } };
    await first.controller.deploy({
      spec: { name: "counted", version: "2", resources: { numCpus: 0.01 }, program, rollout, numReplicas: 2 },
    });
    const starts = async () => (await readFile(join(dataDir, "starts"), "utf8").catch(() => "")).split("\n").length - 1;
    await until("the first failed start is told and the second is under way", async () => {
      const failing = conditionOf(await statusOf(first, "counted"), ConditionType.STARTS_FAILING);
      return failing?.lastFailure?.failure?.lastLines.includes("broken on start") && (await starts()) === 2;
    });
    await first.end("SIGKILL");
    const failNow = () => writeFile(join(dataDir, "gate"), "now\n");
    if (when.startsWith("before")) await failNow();
    const second = await start([], dataDir);
    if (when.startsWith("under")) await failNow();

    const { spec, status } = await until("it goes back", async () => {
      const { deployment } = await second.controller.getDeployment({ name: "counted" });
      return deployment?.status?.state === State.DEPLOY_FAILED && deployment;
    });
    expect(spec).toMatchObject({ version: "1", program: modulePath("program.ts") });
    expect(status).toMatchObject({ generation: 3n, revision: 1n });
    const { rolloutFailure } = conditionOf(status, ConditionType.ROLLED_BACK) ?? {};
    expect(rolloutFailure).toMatchObject({ failedStarts: 2, lastFailure: { failure: { lastLines: ["broken on start"] } } });
    expect(await starts()).toBe(2);
    await until("the replicas of before are adopted", async () => (await second.running("counted")).length === 2);
    expect(await pidsOf(second, "counted")).toEqual(pids);
  },
);

test("a paused rollout replaces nothing, starts what is missing as it was, and goes on when it is resumed", async () => {
  const drover = await start();
  const file = (version: string) =>
    specFile(drover, `${version}.json`, { name: "paused", version, program: module("program.ts"), num_replicas: 2 });
  expect((await drover.cli("deploy", await file("1"))).code).toBe(0);
  const [killed, kept] = await pidsOf(drover, "paused");
  expect(await drover.cli("pause", "paused")).toMatchObject({ code: 0, stdout: "paused  paused\n" });
  const deployed = await drover.cli("deploy", await file("2"));
  expect(deployed).toMatchObject({ code: 0, stderr: expect.stringContaining("drover resume paused") });
  expect(await statusOf(drover, "paused")).toMatchObject({ state: State.UPDATING, paused: true, revision: 2n, updatedReplicas: 0 });

  process.kill(Number(killed), "SIGKILL");
  const again = await until("another one runs in its place", async () => {
    const running = await drover.running("paused");
    return running.length === 2 && running.every(({ pid }) => pid !== killed) && running;
  });
  await lookMeanwhile(drover);
  expect(again.map(({ pid }) => pid)).toContain(kept);
  const { replicas } = await drover.controller.listReplicas({ deployment: "paused" });
  expect(replicas.map(({ revision }) => revision)).toEqual([1n, 1n, 1n]);
  expect((await drover.running("paused")).map(({ pid }) => pid)).toEqual(again.map(({ pid }) => pid));

  expect(await drover.cli("resume", "paused")).toMatchObject({ code: 0 });
  expect((await drover.settled("paused")).status).toMatchObject({
    state: State.HEALTHY,
    paused: false,
    generation: 2n,
    updatedReplicas: 2,
  });
  expect((await drover.running("paused")).map(({ revision }) => revision)).toEqual([2n, 2n]);
});

test("where resources are short, AUTO updates one by one, and AVAILABILITY waits, with the reason, and goes on when the strategy becomes AUTO", async () => {
  const drover = await start(["--num-cpus", "2", "--num-gpus", "2"]);
  const spec = (version: string, strategy: Strategy) => ({
    name: "scarce",
    version,
    program: modulePath("program.ts"),
    numReplicas: 2,
    resources: { numCpus: 0.01, numGpus: 1 },
    rollout: { strategy },
  });
  await drover.deploy("scarce", spec("1", Strategy.AUTO));
  const updating = await watch(drover, "scarce");
  await drover.controller.deploy({ spec: spec("2", Strategy.AUTO) });
  // One goes, and one comes, twice: never none, never both at once.
  await until("the watch tells that it is healthy", () => healthyAt(2n)(updating.told.at(-1)));
  expect(steps(updating.told.map(({ runningReplicas }) => runningReplicas))).toEqual([2, 1, 2, 1, 2]);
  expect(steps(updating.told.map(({ updatedReplicas }) => updatedReplicas))).toEqual([2, 0, 1, 2]);
  expect(
    (await decisionsOf(drover, "scarce")).filter(({ summary }) => summary.includes("removes 1 of another revision first")),
  ).toHaveLength(2);

  const watching = await watch(drover, "scarce");
  const pids = await pidsOf(drover, "scarce");
  await drover.controller.deploy({ spec: spec("3", Strategy.AVAILABILITY) });
  const blocked = await until("it says that it is blocked", async () => {
    const status = await statusOf(drover, "scarce");
    return conditionOf(status, ConditionType.NO_CAPACITY)?.reason === ConditionReason.BLOCKED_NO_CAPACITY && status;
  });
  expect(blocked).toMatchObject({ state: State.UPDATING, runningReplicas: 2, updatedReplicas: 0 });
  expect(conditionOf(blocked, ConditionType.NO_CAPACITY)?.pendingReason).toMatchObject({
    kind: PendingKind.RESOURCES,
    shortages: [{ resource: ResourceKind.GPU, wanted: 1, free: 0, total: 2 }],
  });
  expect((await drover.cli("status", "scarce")).stdout).toMatch(/^BLOCKED_NO_CAPACITY for /m);
  const decided = await until("that is decided", async () => {
    const decisions = await decisionsOf(drover, "scarce");
    return decisions[0]?.bound === "capacity" && decisions;
  });
  await lookMeanwhile(drover);
  expect(await pidsOf(drover, "scarce")).toEqual(pids);
  expect((await statusOf(drover, "scarce"))?.conditions).toEqual(blocked.conditions);
  expect(await decisionsOf(drover, "scarce")).toEqual(decided);
  expect(new Set(watching.told.map(({ runningReplicas }) => runningReplicas))).toEqual(new Set([2]));

  const { effect, deployment } = await drover.controller.deploy({ spec: spec("3", Strategy.AUTO) });
  expect({ effect, generation: deployment?.status?.generation }).toEqual({ effect: Effect.LIVE, generation: 4n });
  await until("the watch tells that it is healthy", () => healthyAt(4n)(watching.told.at(-1)));
  expect(steps(watching.told.map(({ runningReplicas }) => runningReplicas))).toEqual([2, 1, 2, 1, 2]);
  expect((await statusOf(drover, "scarce"))?.updatedReplicas).toBe(2);
});

test("a deployment is not healthy, and no old replica goes, before a new one has been running for min_ready_time", async () => {
  const drover = await start();
  const minReadyMs = 2_000;
  const spec = (version: string) => ({ version, rollout: { minReadyTime: { seconds: BigInt(minReadyMs / 1_000) } } });
  const watching = await watch(drover, "ready");
  for (const [generation, rested] of [
    [1n, "revision 1 runs in full"],
    [2n, "removes 1 of another revision"],
  ] as const) {
    const deployed = await drover.deploy("ready", spec(String(generation)));
    const healthySeenMs = Date.now();
    expect(deployed.status).toMatchObject({ state: State.HEALTHY, generation, revision: generation });
    const [replica] = await drover.running("ready");
    const readyMs = msOf(replica?.readyTime);
    expect(healthySeenMs - readyMs).toBeGreaterThanOrEqual(minReadyMs);
    const decision = (await decisionsOf(drover, "ready")).find(({ summary }) => summary.includes(rested));
    expect(msOf(decision?.decideTime) - readyMs).toBeGreaterThanOrEqual(minReadyMs);
  }
  await until("the watch tells that it is healthy", () => healthyAt(2n)(watching.told.at(-1)));
  const told = steps(
    watching.told.map(
      ({ generation, state, runningReplicas }) => `${generation} ${StateSchema.value[state]?.localName} ${runningReplicas}`,
    ),
  );
  expect(told).toEqual(["1 UPDATING 0", "1 UPDATING 1", "1 HEALTHY 1", "2 UPDATING 1", "2 UPDATING 2", "2 UPDATING 1", "2 HEALTHY 1"]);
});

test("Apply takes all specs or none, and with prune deletes the others, also for a client that is not ours", async () => {
  const drover = await start();
  const apply = (request: unknown): Promise<Finished> => {
    const method = `http://${drover.addresses.api}/drover.v1.ControllerService/Apply`;
    return run("buf", ["curl", "--protocol", "grpc", "--http2-prior-knowledge", "-d", JSON.stringify(request), method]);
  };
  const spec = (name: string, version = "1") => ({ name, version, program: module("program.ts"), resources: { num_cpus: 0.01 } });
  const names = async () => (await drover.controller.listDeployments({})).deployments.map(({ spec }) => `${spec?.name} ${spec?.version}`);

  const both = JSON.parse((await apply({ specs: [spec("one"), spec("two")] })).stdout);
  expect(both.results.map(({ effect }: { effect: string }) => effect)).toEqual(["EFFECT_ROLLOUT", "EFFECT_ROLLOUT"]);
  for (const name of ["one", "two"]) expect((await drover.settled(name)).status).toMatchObject({ state: State.HEALTHY, generation: 1n });

  const refused = await apply({ specs: [spec("one", "2"), spec("new"), { ...spec("two", "2"), num_replicas: -1 }], prune: true });
  expect(refused.code).not.toBe(0);
  expect(refused.stderr).toContain("specs[2].num_replicas");
  expect(await names()).toEqual(["one 1", "two 1"]);
  for (const name of ["one", "two"]) expect(await statusOf(drover, name)).toMatchObject({ generation: 1n, state: State.HEALTHY });

  const pruned = JSON.parse((await apply({ specs: [spec("two"), spec("three")], prune: true })).stdout);
  expect(pruned.results.map(({ effect }: { effect: string }) => effect)).toEqual(["EFFECT_NONE", "EFFECT_ROLLOUT"]);
  expect(pruned.pruned).toEqual(["one"]);
  await drover.settled("three");
  await until("the other one is gone", async () => (await names()).join() === "three 1,two 1");
});

test("a rollback is decided once, with its cause, and shown by `drover explain`; without changes there are no decisions", async () => {
  const drover = await start();
  await drover.deploy("told", { rollout });
  const failed = await drover.deploy("told", { version: "2", rollout }, "exits.ts");
  expect(failed).toMatchObject({ spec: { version: "1" }, status: { state: State.DEPLOY_FAILED } });
  const decided = await decisionsOf(drover, "told");
  const [back, ...others] = decided.filter(({ summary }) => summary.includes("goes back"));
  expect(others).toEqual([]);
  expect(back?.summary).toMatch(/^revision 2 has failed \(2 failed starts in a row, .*exit code 7.*\): goes back to revision 1$/);
  expect(back).toMatchObject({ deployment: "told", inputs: { failed_starts: 2 } });
  expect(back?.rules).toContainEqual(expect.objectContaining({ name: "max_start_failures", value: 2 }));
  expect(decided.map(({ number }) => Number(number))).toEqual(decided.map((_, index) => decided.length - index));

  const explained = await drover.cli("explain", "told");
  expect(explained.code).toBe(0);
  for (const words of ["told is DEPLOY_FAILED", back?.summary ?? "", "max_start_failures  ", "I leave"])
    expect(explained.stdout).toContain(words);

  await lookMeanwhile(drover);
  expect(await decisionsOf(drover, "told")).toEqual(decided);
});
