// Goal: no step of the wall clock ends a request, fails a start or stands in the way of anything.
// Method: a real controller and real replicas whose wall clock the test sets, while their monotonic
// clocks go on. Before each step, something waits for a duration.
import { mkdtemp, rename, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { DeploymentState, ReplicaState } from "../../gen/drover/v1/deployment_pb.ts";
import { ConditionType } from "../../gen/drover/v1/facts_pb.ts";
import { Drover, fixturePath, until } from "./drover.ts";

const hourMs = 3_600_000;
const seconds = (count: number) => ({ seconds: BigInt(count) });

let drover: Drover;
let stepFile: string;
beforeEach(async () => {
  stepFile = join(await mkdtemp(join(tmpdir(), "drover-clock-")), "step");
  await setWall(0);
  drover = await start();
});
afterEach(() => drover.close());

function start(dataDir?: string): Promise<Drover> {
  const options = `--import=${pathToFileURL(fixturePath("stepped-clock.mjs"))}`;
  return Drover.start([], dataDir, ["env", `NODE_OPTIONS=${options}`, `WALL_STEP_FILE=${stepFile}`]);
}

/** Sets the wall clock of the controller and of all replicas, so far from the machine's. */
async function setWall(ms: number): Promise<void> {
  await writeFile(`${stepFile}.new`, String(ms));
  await rename(`${stepFile}.new`, stepFile);
}

const replicasOf = async (name: string) => (await drover.controller.listReplicas({ deployment: name, pageSize: 100 })).replicas;
const statusOf = async (name: string) => (await drover.controller.getDeployment({ name })).deployment?.status;

/** Deploys a revision of a fixture module, and does not wait for it. */
function ask(name: string, spec: Record<string, unknown>, module = "program.ts") {
  const program = { kind: { case: "module" as const, value: { path: fixturePath(module) } } };
  return drover.controller.deploy({ spec: { name, version: "2", program, resources: { numCpus: 0.01 }, ...spec } });
}

test("the wall clock of the processes follows the test", async () => {
  await drover.deploy("plain", { numReplicas: 1 }, "tells-time.ts");
  await setWall(hourMs);
  const { wallMs } = (await drover.invoke("plain", "call", null)) as { wallMs: number };
  expect(wallMs - Date.now()).toBeGreaterThan(hourMs / 2);
});

test("one hour forward in a drain ends no request in work", async () => {
  await drover.deploy("drains", { numReplicas: 1, gracefulShutdownTimeout: seconds(60) });
  const work = drover.invoke("drains", "sleep", 6_000);
  await until("the request is in work", async () => (await replicasOf("drains"))[0]?.ongoingRequests === 1n);
  await drover.controller.scale({ name: "drains", numReplicas: 0 });
  await until("it drains", async () => (await replicasOf("drains"))[0]?.state === ReplicaState.DRAINING);
  await setWall(hourMs);
  expect(await work).toBeGreaterThan(0);
});

test("one hour forward in a start fails no start", async () => {
  await ask("late", { numReplicas: 1 }, "late.ts");
  await until("it starts", async () => (await replicasOf("late"))[0]?.state === ReplicaState.STARTING);
  await setWall(hourMs);
  expect((await drover.settled("late")).status?.state).toBe(DeploymentState.HEALTHY);
  expect((await replicasOf("late")).map(({ state }) => state)).toEqual([ReplicaState.RUNNING]);
});

test("one hour back, the autoscaler goes on", async () => {
  const autoscalingConfig = {
    ...{ minReplicas: 1, maxReplicas: 4, targetOngoingRequests: 1, upscaleDelay: seconds(1), downscaleDelay: seconds(2) },
    ...{ lookBackPeriod: seconds(2), metricsInterval: { nanos: 200_000_000 } },
  };
  await drover.deploy("scales", { numReplicas: undefined, autoscalingConfig });
  await setWall(-hourMs);
  const leave = new AbortController();
  const work = Array.from({ length: 4 }, () => drover.invoke("scales", "sleep", 60_000, { signal: leave.signal }).catch(() => {}));
  await until("the load is met", async () => (await statusOf("scales"))?.runningReplicas === 4);
  leave.abort();
  await Promise.all(work);
  await until("fewer run for less load", async () => (await statusOf("scales"))?.targetReplicas === 1);
});

test("one hour back, and back to where it was, rollouts and back-offs go on", async () => {
  await drover.deploy("rolls", { numReplicas: 3, rollout: { minReadyTime: seconds(1) } });
  await setWall(-hourMs);
  await ask("rolls", { numReplicas: 3, rollout: { minReadyTime: seconds(1) } });
  expect((await drover.settled("rolls")).status).toMatchObject({ state: DeploymentState.HEALTHY, updatedReplicas: 3 });
  await ask("rolls", { numReplicas: 3, rollout: { minReadyTime: seconds(1), maxStartFailures: 3, autoRollback: true } }, "exits.ts");
  await until("its starts fail", async () =>
    (await statusOf("rolls"))?.conditions.some(({ type }) => type === ConditionType.STARTS_FAILING),
  );
  await setWall(-2 * hourMs);
  await until("it is rolled back", async () => (await statusOf("rolls"))?.state === DeploymentState.DEPLOY_FAILED);
});

test("a controller that restarts with its wall clock an hour back, or forward, takes up a rollout", async () => {
  const spec = { numReplicas: 3, rollout: { minReadyTime: seconds(1) } };
  await drover.deploy("restarts", spec);
  for (const [turn, wallMs] of [-hourMs, hourMs].entries()) {
    await ask("restarts", { ...spec, version: `turn ${turn}` });
    await drover.end("SIGKILL");
    await setWall(wallMs);
    drover = await start(drover.dataDir);
    expect((await drover.settled("restarts")).status).toMatchObject({ state: DeploymentState.HEALTHY, updatedReplicas: 3 });
  }
});
