import { create } from "@bufbuild/protobuf";
import pc from "picocolors";
import { expect, test } from "vitest";
import { DeploymentSchema, DeploymentState } from "../../gen/drover/v1/deployment_pb.ts";
import { Progress } from "../../src/cli/progress.ts";
import { deploymentOf } from "./harness.ts";

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
