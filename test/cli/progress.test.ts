import { create } from "@bufbuild/protobuf";
import pc from "picocolors";
import { expect, test } from "vitest";
import { DeploymentSchema, DeploymentState } from "../../gen/drover/v1/deployment_pb.ts";
import { ConditionType, PendingKind, ResourceKind } from "../../gen/drover/v1/facts_pb.ts";
import { Progress } from "../../src/cli/progress.ts";
import { conditionsOf, deploymentOf } from "./harness.ts";

test("numbers that change are printed again after a second", () => {
  const printed: string[] = [];
  let nowMs = 0;
  const progress = new Progress({ write: (line) => printed.push(String(line)) }, pc.createColors(false), () => nowMs);
  for (const [atMs, runningReplicas] of [
    [0, 0],
    [400, 1],
    [999, 2],
    [1_000, 3],
    [1_500, 4],
  ] as const) {
    nowMs = atMs;
    const facts = { state: DeploymentState.UPSCALING, targetReplicas: 9, runningReplicas, updatedReplicas: runningReplicas };
    progress.show(create(DeploymentSchema, deploymentOf("a", facts)));
  }
  expect(printed).toEqual(["a  UPSCALING  0/9 running\n", "a  UPSCALING  3/9 running\n"]);
});

test("what is new is printed at once; another replica, or another amount, in the same situation is not new", () => {
  const printed: string[] = [];
  const progress = new Progress({ write: (line) => printed.push(String(line)) }, pc.createColors(false), () => 0);
  const { NO_CAPACITY, STARTS_FAILING } = ConditionType;
  const waits = (replicaId: string, resource: ResourceKind, wanted: number) =>
    conditionsOf({
      type: NO_CAPACITY,
      replicaId,
      message: `${replicaId} wants ${wanted}`,
      pendingReason: { kind: PendingKind.RESOURCES, shortages: [{ resource, wanted, free: 0, total: 4 }] },
    });
  for (const conditions of [
    waits("a-1", ResourceKind.CPU, 1),
    waits("a-2", ResourceKind.CPU, 2),
    waits("a-2", ResourceKind.GPU, 3),
    conditionsOf({ type: STARTS_FAILING, failedStarts: 1, message: "1 failed start" }),
    conditionsOf({ type: STARTS_FAILING, failedStarts: 2, message: "2 failed starts" }),
  ])
    progress.show(create(DeploymentSchema, deploymentOf("a", { state: DeploymentState.UPSCALING, conditions })));
  const said = ["a-1 wants 1", "a-2 wants 3", "1 failed start", "2 failed starts"];
  expect(printed).toEqual(said.map((text) => `a  UPSCALING  2/2 running  ${text}\n`));
});
