import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { type Decision, DecisionSchema, DecisionSource } from "../../gen/drover/v1/controller_service_pb.ts";
import { DeploymentState } from "../../gen/drover/v1/deployment_pb.ts";
import { decide, firstAutoscaleState } from "../../src/core/autoscaling/autoscale.ts";
import { defaultAutoscaling } from "../../src/core/autoscaling-config.ts";
import { refusal } from "../../src/core/errors.ts";
import { type ControllerHandlers, conditionsOf, deploymentOf, nowMs, serve } from "./harness.ts";

/** A decision made as many minutes ago as `number` is below 100. */
function decisionOf(number: number, more: MessageInitShape<typeof DecisionSchema> = {}): Decision {
  return create(DecisionSchema, {
    deployment: "a",
    number: BigInt(number),
    decideTime: timestampFromMs(nowMs - (100 - number) * 60_000),
    source: DecisionSource.ROLLOUT,
    summary: `starts replica ${number}`,
    ...more,
  });
}

/** The decision that a line is about. */
const numberIn = ([, number]: RegExpMatchArray) => Number(number);

const getDeployment: ControllerHandlers["getDeployment"] = () => ({ deployment: deploymentOf("a") });

/** Decisions 1 to `count`, the newest first, in pages of two. */
function listing(count: number, asked: number[] = []): NonNullable<ControllerHandlers["listDecisions"]> {
  return ({ pageSize, pageToken }) => {
    asked.push(pageSize);
    const from = pageToken === "" ? count : Number(pageToken);
    const numbers = [from, from - 1].filter((number) => number > 0);
    return { decisions: numbers.map((number) => decisionOf(number)), nextPageToken: from > 2 ? String(from - 2) : "" };
  };
}

test("explain says how a deployment is, then each decision with its rules and what it was decided from", async () => {
  const status = {
    state: DeploymentState.UPDATING,
    revision: 2n,
    targetReplicas: 4,
    runningReplicas: 3,
    updatedReplicas: 1,
    conditions: conditionsOf({ message: "starting a-x7k2p\u001b[31m" }, { message: "the rollout is paused" }),
  };
  const run = await serve({
    getDeployment: () => ({ deployment: deploymentOf("a", status) }),
    listDecisions: () => ({
      decisions: [
        decisionOf(99, {
          bound: "max_surge",
          inputs: { target: 4, available: 3.5 },
          rules: [
            { name: "max_surge", value: 5, meaning: "at most 5 run or start" },
            { name: "max_unavailable", value: 14, meaning: "at least 14 stay\u0007 available" },
          ],
        }),
        decisionOf(40),
      ],
    }),
  });
  expect(await run(["explain", "a"])).toEqual({
    exitCode: 0,
    stdout: [
      "a is UPDATING: 3 of 4 running, 1 of them of revision 2; starting a-x7k2p; the rollout is paused",
      "",
      "1h ago  rollout  starts replica 40",
      "",
      "1m ago  rollout  starts replica 99  (bound by max_surge)",
      "  max_surge         5  at most 5 run or start",
      "  max_unavailable  14  at least 14 stay available",
      "  from: available 3.5, target 4",
      "",
    ].join("\n"),
    stderr: "",
  });
});

test("a decision of the autoscaler is printed with each rule's value, the one that bound in colour", async () => {
  const config = { ...defaultAutoscaling, maxReplicas: 5, targetOngoingRequests: 10 };
  const seen = { ongoing: 60, queued: 20, running: 2, target: 2, scheduledMin: 0, startupMs: 0 };
  const { state } = decide(config, seen, firstAutoscaleState(config, nowMs - 7_000), nowMs - 7_000);
  const { verdict } = decide(config, seen, state, nowMs).decision;
  const { summary, bound, inputs, rules } = verdict;
  const decision = decisionOf(99, { source: DecisionSource.AUTOSCALER, summary, bound, inputs, rules: [...rules] });
  const run = await serve({ getDeployment, listDecisions: () => ({ decisions: [decision] }) });
  const { stdout } = await run(["explain", "a"]);
  expect(stdout).toContain("\n1m ago  autoscaler  up from 2 to 5 replicas: a burst  (bound by max_replicas)\n");
  expect(stdout).toMatch(/\n {2}burst +80 {2}load of the last 6 s; a burst from 40\n/);
  expect(stdout).toMatch(
    /\n {2}max_replicas +5 {2}the most\n {2}from: desired 8, load 80, mean_load 80, ongoing 60, queued 20, running 2, target 2\n$/,
  );
  const yellow = "\u001b[33m";
  expect((await run(["explain", "a"], { terminal: true })).stdout).toContain(`${yellow}  max_replicas`);
});

test("the last ten are shown, the oldest first, or as many as asked for", async () => {
  const run = await serve({ getDeployment, listDecisions: listing(25) });
  const shown = async (...more: readonly string[]) =>
    [...(await run(["explain", "a", ...more])).stdout.matchAll(/replica (\d+)/g)].map(numberIn);
  expect(await shown()).toEqual([16, 17, 18, 19, 20, 21, 22, 23, 24, 25]);
  expect(await shown("--limit", "3")).toEqual([23, 24, 25]);
  expect(await shown("--limit", "1000")).toHaveLength(25);
});

test("as JSON the decisions are a list by proto field names, also an empty one", async () => {
  const run = await serve({ getDeployment, listDecisions: listing(1) });
  expect(JSON.parse((await run(["explain", "a", "-o", "json"])).stdout)).toEqual([
    {
      deployment: "a",
      number: "1",
      decide_time: expect.any(String),
      source: "DECISION_SOURCE_ROLLOUT",
      summary: "starts replica 1",
      bound: "",
      inputs: {},
      rules: [],
    },
  ]);
  const empty = await serve({ getDeployment, listDecisions: () => ({}) });
  expect(await empty(["explain", "a", "-o", "json"])).toEqual({ exitCode: 0, stdout: "[]\n", stderr: "" });
  expect(await empty(["explain", "a"])).toEqual({ exitCode: 0, stdout: "a is HEALTHY: 2 of 2 running\n", stderr: "no decisions yet\n" });
});

test("followed decisions come once each, also when the watch is opened again, until the deployment is gone", async () => {
  let watches = 0;
  const run = await serve({
    getDeployment,
    listDecisions: listing(4),
    async *watchDecisions() {
      watches += 1;
      for (let number = 1; number <= 4 + watches; number++) yield { decision: decisionOf(number) };
      if (watches % 2 === 1) throw refusal("WATCH_EXPIRED", "too slow");
    },
  });
  const { exitCode, stdout, stderr } = await run(["explain", "a", "--limit", "2", "--follow", "-o", "json"]);
  expect(
    stdout
      .trimEnd()
      .split("\n")
      .map((line) => (JSON.parse(line) as { number: string }).number),
  ).toEqual(["3", "4", "5", "6"]);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "a: was deleted\n" });
  const text = await run(["explain", "a", "--limit", "1", "-f"]);
  expect([...text.stdout.matchAll(/replica (\d+)/g)].map(numberIn)).toEqual([4, 5, 6, 7, 8]);
});

test("a controller that stops ends what is followed with 1, and Ctrl-C with 130", async () => {
  const stopping = await serve({
    getDeployment,
    listDecisions: listing(1),
    // biome-ignore lint/correctness/useYield: it fails at once
    async *watchDecisions() {
      throw refusal("SHUTTING_DOWN", "the controller is stopping");
    },
  });
  expect(await stopping(["explain", "a", "-f"])).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining("the controller is stopping"),
  });
  const interrupt = new AbortController();
  const quiet = await serve({
    getDeployment,
    listDecisions: listing(1),
    async *watchDecisions(_, { signal }) {
      yield { decision: decisionOf(2) };
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    },
  });
  const onPrint = (text: string) => text.includes("replica 2") && interrupt.abort();
  expect(await quiet(["explain", "a", "-f"], { interrupted: interrupt.signal, onPrint })).toMatchObject({ exitCode: 130, stderr: "" });
});

test("what is not there is not explained", async () => {
  const run = await serve({
    getDeployment: () => {
      throw refusal("DEPLOYMENT_NOT_FOUND", 'no deployment "b"');
    },
  });
  expect(await run(["explain", "b"])).toMatchObject({ exitCode: 1, stdout: "", stderr: expect.stringContaining('no deployment "b"') });
});
