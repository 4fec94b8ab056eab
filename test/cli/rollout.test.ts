import type { MessageInitShape } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import type { WatchDeploymentsResponseSchema } from "../../gen/drover/v1/controller_service_pb.ts";
import { DeploymentState } from "../../gen/drover/v1/deployment_pb.ts";
import { ConditionReason, ConditionType } from "../../gen/drover/v1/facts_pb.ts";
import { refusal } from "../../src/core/errors.ts";
import { type ControllerHandlers, conditionsOf, deploymentOf, folder, serve } from "./harness.ts";

type Facts = Parameters<typeof deploymentOf>[1];

const app = { "app.yaml": "name: a\nprogram: { command: { argv: [a] } }\n" };
const updated = (facts: Facts = {}) => ({ event: { case: "deploymentUpdated" as const, value: deploymentOf("a", facts) } });
const synced = { event: { case: "synced" as const, value: {} } };

/** A watch that sends these and then nothing until the caller leaves. */
function watching(
  ...events: readonly MessageInitShape<typeof WatchDeploymentsResponseSchema>[]
): NonNullable<ControllerHandlers["watchDeployments"]> {
  return async function* (_, { signal }) {
    yield* events;
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve));
  };
}

/** Half way through a rollout of ten. */
const halfWay: Facts = {
  state: DeploymentState.UPDATING,
  targetReplicas: 10,
  runningReplicas: 9,
  updatedReplicas: 6,
  conditions: conditionsOf({ message: "starting a-x7k2p" }),
};

const blocked = conditionsOf({ reason: ConditionReason.BLOCKED_NO_CAPACITY, message: "a-x7k2p wants 2 CPUs" });

const deploys: ControllerHandlers = { apply: () => ({ results: [{ deployment: deploymentOf("a", { generation: 1n }) }] }) };

test.each([
  ["half way", halfWay, "a  UPDATING  [######----] 6/10 new, 3 old, 9 available  starting a-x7k2p"],
  [
    "at its begin",
    { ...halfWay, runningReplicas: 0, updatedReplicas: 0, conditions: conditionsOf() },
    "a  UPDATING  [----------] 0/10 new, 0 old, 0 available",
  ],
  [
    "full only when all are new",
    { ...halfWay, targetReplicas: 1_000, runningReplicas: 1_000, updatedReplicas: 999, conditions: blocked },
    "a  UPDATING  [#########-] 999/1000 new, 1 old, 1000 available  BLOCKED_NO_CAPACITY: a-x7k2p wants 2 CPUs",
  ],
  [
    "of none wanted",
    { ...halfWay, targetReplicas: 0, runningReplicas: 0, updatedReplicas: 0, conditions: conditionsOf() },
    "[##########] 0/0 new, 0 old",
  ],
  [
    "that scales while old replicas are left",
    {
      ...halfWay,
      state: DeploymentState.DOWNSCALING,
      targetReplicas: 4,
      runningReplicas: 5,
      updatedReplicas: 4,
      conditions: conditionsOf(),
    },
    "a  DOWNSCALING  [##########] 4/4 new, 1 old, 5 available",
  ],
  ["that only scales: none", { state: DeploymentState.UPSCALING, runningReplicas: 1, updatedReplicas: 1 }, "a  UPSCALING  1/2 running\n"],
] as const)("the line of a rollout %s", async (_, facts, line) => {
  const run = await serve({ ...deploys, watchDeployments: watching(updated(facts), synced, updated()) });
  const { exitCode, stdout, stderr } = await run(["deploy", "app.yaml"], { cwd: await folder(app) });
  expect(stderr).toContain(line);
  expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: "a  HEALTHY  2/2 running\n" });
});

test("on a terminal the bar is of blocks, in a wait and in status --watch", async () => {
  const run = await serve({ ...deploys, watchDeployments: watching(updated(halfWay), synced, updated()) });
  const deploy = await run(["deploy", "app.yaml"], { cwd: await folder(app), terminal: true, env: { NO_COLOR: "1" } });
  expect(deploy.stderr).toContain("a  UPDATING  [██████░░░░] 6/10 new, 3 old, 9 available  starting a-x7k2p\n");
  const interrupt = new AbortController();
  const onPrint = () => interrupt.abort();
  const status = await run(["status", "--watch"], { terminal: true, env: { NO_COLOR: "1" }, interrupted: interrupt.signal, onPrint });
  expect(status.stdout).toMatch(/\na +UPDATING +9\/10 .* ▁ +█ +\[██████░░░░\] 6\/10 new, 3 old, 9 available {2}starting a-x7k2p\n/);
});

test("a wait for a rollout that is paused ends with 0 and says how to resume it", async () => {
  const run = await serve({
    ...deploys,
    watchDeployments: watching(
      updated({ ...halfWay, observedGeneration: 0n, paused: true }),
      synced,
      updated({ ...halfWay, paused: true }),
    ),
  });
  const { exitCode, stdout, stderr } = await run(["deploy", "app.yaml"], { cwd: await folder(app) });
  expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: "" });
  expect(stderr).toMatch(/\na: its rollout is paused: `drover resume a` lets it go on\n$/);
});

test("what is paused and has nothing to roll out is waited for as any other", async () => {
  const watchDeployments = watching(
    updated({ paused: true, state: DeploymentState.UPSCALING, runningReplicas: 1, updatedReplicas: 1 }),
    synced,
    updated({ paused: true }),
  );
  const run = await serve({ ...deploys, watchDeployments });
  expect(await run(["deploy", "app.yaml"], { cwd: await folder(app) })).toMatchObject({ exitCode: 0, stdout: "a  HEALTHY  2/2 running\n" });
});

test("a rollout that failed and was rolled back ends the wait with 1, at the generation after", async () => {
  const conditions = conditionsOf({ message: "revision 2 failed and was left for revision 1: a-1 exit code 1\nTypeError: no model" });
  const run = await serve({
    ...deploys,
    watchDeployments: watching(
      updated(halfWay),
      synced,
      updated({ generation: 2n, observedGeneration: 2n, state: DeploymentState.DEPLOY_FAILED, conditions }),
    ),
  });
  const { exitCode, stdout, stderr } = await run(["deploy", "app.yaml"], { cwd: await folder(app) });
  expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
  expect(stderr).toContain(
    "error: a: DEPLOY_FAILED: 2 of 2 running; revision 2 failed and was left for revision 1: a-1 exit code 1\n  TypeError: no model\n",
  );
});

test("pause stops a rollout, and resume lets it go on and waits until it is done", async () => {
  const asked: string[] = [];
  const run = await serve({
    pauseRollout: ({ name }) => {
      asked.push(`pause ${name}`);
      return { deployment: deploymentOf(name, { paused: true }) };
    },
    resumeRollout: ({ name }) => {
      asked.push(`resume ${name}`);
      return { deployment: deploymentOf(name) };
    },
    watchDeployments: watching(updated(halfWay), synced, updated()),
  });
  expect(await run(["pause", "a"])).toEqual({ exitCode: 0, stdout: "a  paused\n", stderr: "" });
  expect(await run(["resume", "a"])).toMatchObject({
    exitCode: 0,
    stdout: "a  HEALTHY  2/2 running\n",
    stderr: expect.stringContaining("[######----] 6/10 new, 3 old, 9 available"),
  });
  expect(await run(["resume", "a", "--no-wait"])).toEqual({ exitCode: 0, stdout: "a  resumed\n", stderr: "" });
  expect(asked).toEqual(["pause a", "resume a", "resume a"]);
});

test("pausing or resuming what is not there fails", async () => {
  const refuse = () => {
    throw refusal("DEPLOYMENT_NOT_FOUND", 'no deployment "a"');
  };
  const run = await serve({ pauseRollout: refuse, resumeRollout: refuse });
  for (const command of ["pause", "resume"])
    expect(await run([command, "a"])).toMatchObject({ exitCode: 1, stdout: "", stderr: expect.stringContaining('no deployment "a"') });
});

test("status, list of all and explain say once that a rollout is paused, also of a healthy deployment", async () => {
  const paused = conditionsOf({ type: ConditionType.ROLLOUT_PAUSED, message: "the rollout is paused (`drover resume a` lets it go on)" });
  const showing = (facts: Facts) => {
    const deployment = deploymentOf("a", { paused: true, conditions: paused, ...facts });
    return serve({
      getDeployment: () => ({ deployment }),
      listDeployments: () => ({ deployments: [deployment] }),
      listReplicas: () => ({}),
      listDecisions: () => ({}),
    });
  };
  const resting = await showing({});
  expect((await resting(["status", "a"])).stdout).toContain("\n\nROLLOUT_PAUSED: the rollout is paused");
  expect((await resting(["status"])).stdout).toMatch(/\na +HEALTHY .* 0 +the rollout is paused \(.*\)\n$/);
  expect((await resting(["explain", "a"])).stdout).toMatch(/^a is HEALTHY: 2 of 2 running; the rollout is paused \(.*\)\n$/);
  const rolling = await showing({ ...halfWay, conditions: paused });
  expect((await rolling(["status"])).stdout).toMatch(/\[######----\] 6\/10 new, 3 old, 9 available {2}the rollout is paused \(.*\)\n$/);
  expect((await rolling(["explain", "a"])).stdout).toMatch(
    /^a is UPDATING: 9 of 10 running, 6 of them of revision 1; the rollout is paused \(.*\)\n$/,
  );
});
